"""`python -m collector.simulator`: an exchange on loopback, from the command line."""

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from collector.domain.errors import ConfigError
from collector.simulator.fault import FORMS, KINDS, Fault, parse
from collector.simulator.server import Options, Simulator

EXAMPLES = f"""\
Prints one line of JSON when it is ready: {{"ws_url": ..., "rest_url": ..., "pid": ...}}.

examples:
  python -m collector.simulator --symbols BTCUSDT,ETHUSDT --rate 200
  python -m collector.simulator --replay btcusdt.jsonl.zst --speed 0 --sent-log sent.jsonl
  python -m collector.simulator --fault drop=0.01 --fault disconnect,after=5000,code=1001
  curl -X POST $REST_URL/simulator/faults -d '{{"kind": "stall", "secs": 5, "now": true}}'
  curl $REST_URL/simulator/stats
  curl -X POST $REST_URL/simulator/markets -d '{{"list": "NEWUSDT"}}'       (or "delist")

Without --replay it plays every symbol as a live market of these exchanges at once, by the addresses of a feed:
  binance, binance_usdm, binance_coinm (BTCUSD_PERP)      ws_url = $WS_URL            rest_url = $REST_URL
  kraken (BTCUSDT is BTC/USDT)                            ws_url = $WS_URL/kraken     rest_url = $REST_URL/kraken
  bitfinex (BTCUSDT is tBTCUST)                           ws_url = $WS_URL/bitfinex   rest_url = $REST_URL/bitfinex
Any other exchange is refused by its name, with 404. Its recordings are played with --replay, as far as the client asks for
the recorded path and says what the exchange understands.

A fault is KIND[=PROBABILITY][,FIELD=VALUE...]. Without a probability and without next it strikes once.
  KIND   {", ".join(KINDS)}
  FIELD  next (how many times), after (how many pass first), stream, connection, everywhere (true: the same on every
         connection), now (true: without waiting for a frame), secs (stall, hang: without it, no limit), code,
         status and retry_after_secs (http: REST requests; handshake: WebSocket handshakes),
         path (the end of the path of REST requests or connections), ids (hole: how many),
         form (malformed: {", ".join(FORMS)})
"""


MAX_PORT = 65_535


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m collector.simulator",
        description="Exchanges on loopback, WebSocket and REST: seeded markets, or a recording.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    default = Options()
    add = parser.add_argument
    add("--host", default=default.host)
    add("--port", type=_port, default=default.port, help="0: any free port")
    add("--seed", type=int, default=default.seed, help="for the market and the faults")
    add("--symbols", default=",".join(default.symbols), help="BTCUSDT,ETHUSDT,...")
    add("--rate", type=_positive, default=default.rate, help="messages per second and symbol, roughly (default 50)")
    add("--replay", type=Path, nargs="+", default=(), metavar="FILE", help="*.jsonl or *.jsonl.zst, played in turn")
    add("--speed", type=_not_negative, default=default.speed, help="of the replay; 0: as fast as the clients read")
    add("--clients", type=int, default=default.clients, help="start the replay when this many clients have subscribed")
    add("--loop", action="store_true", help="start the recording over at its end")
    add("--all-streams", action="store_true", help="send every frame to everyone, on any path")
    add("--fault", action="append", default=[], metavar="FAULT", help="see below; may be repeated")
    add("--sent-log", type=Path, metavar="FILE", help="JSON lines of everything sent")
    add("--ping-interval-secs", type=_positive, default=default.ping_interval_secs)
    add("--pong-timeout-secs", type=_positive, default=default.pong_timeout_secs)
    add("--max-attempts", type=int, help="WebSocket handshakes in five minutes (the exchange: 300; default: no limit)")
    add("--exit-with-parent", action="store_true", help="stop when the process that started this one is gone")
    return parser


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= MAX_PORT:
        raise argparse.ArgumentTypeError(f"must be from 0 to {MAX_PORT}, not {port}")
    return port


def _positive(text: str) -> float:
    if not float(text) > 0:
        raise ValueError(text)
    return float(text)


def _not_negative(text: str) -> float:
    if not float(text) >= 0:
        raise ValueError(text)
    return float(text)


def _options(arguments: argparse.Namespace) -> Options:
    values = vars(arguments)
    parent = os.getppid() if values.pop("exit_with_parent") else None
    faults = tuple(_fault(text) for text in values.pop("fault"))
    symbols = tuple(symbol for symbol in values.pop("symbols").upper().split(",") if symbol)
    if not symbols:
        raise ConfigError(["--symbols: must name at least one symbol"])
    replay = tuple(values.pop("replay"))
    return Options(**values, parent=parent, faults=faults, symbols=symbols, replay=replay)


def _fault(text: str) -> Fault:
    try:
        return parse(text)
    except ConfigError as error:
        raise ConfigError([f"--fault {text}: {problem}" for problem in error.problems]) from error


async def _run(options: Options) -> None:
    simulator = Simulator(options)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, simulator.stop)

    def ready(port: int) -> None:
        address = f"{options.host}:{port}"
        line = {"ws_url": f"ws://{address}", "rest_url": f"http://{address}", "pid": os.getpid()}
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()

    await simulator.serve(ready)


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; 2 if the arguments cannot be used."""
    try:
        asyncio.run(_run(_options(_parser().parse_args(argv))))
    except (ConfigError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
