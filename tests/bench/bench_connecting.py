"""How long it takes from the start of the recorder to the first data of all its streams.

    .venv/bin/python -m tests.bench.bench_connecting [--symbols 1000] [--rounds 3]

The exchange is a server that sends one message of a stream as soon as that is subscribed, so what is measured is the start of
the processes, the connections and the pace of subscriptions: Binance allows 5 messages a second. Seconds of the wall clock.
"""

import argparse
import asyncio
import contextlib
import json
import tempfile
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tests.whole.running import Recorder, wait_for

DATA_TYPES: Final = ("book_ticker", "trade", "agg_trade")


class AnsweringExchange:
    """Its thread notes when each stream was subscribed first."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        self.port = int(next(iter(self._server.sockets)).getsockname()[1])
        self.connected_at: list[float] = []
        self.spoke_at: dict[str, float] = {}

    async def _listen(self) -> Server:
        return await serve(self._talk, "127.0.0.1", 0)

    async def _talk(self, connection: ServerConnection) -> None:
        self.connected_at.append(time.monotonic())
        assert connection.request is not None
        with contextlib.suppress(ConnectionClosed):
            await self._speak(connection, parse_qs(urlsplit(connection.request.path).query)["streams"][0].split("/"))
            async for text in connection:
                asked = json.loads(text)
                await connection.send(json.dumps({"result": None, "id": asked["id"]}))
                await self._speak(connection, asked["params"])

    async def _speak(self, connection: ServerConnection, streams: Iterable[str]) -> None:
        for stream in streams:
            await connection.send(json.dumps({"stream": stream, "data": {"s": stream.partition("@")[0].upper()}}))
            self.spoke_at.setdefault(stream, time.monotonic())

    def stop(self) -> None:
        """Listen no more."""
        self._loop.call_soon_threadsafe(self._server.close)
        asyncio.run_coroutine_threadsafe(self._server.wait_closed(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()


def measure(folder: Path, symbols: int) -> None:
    """Start a recorder, and print when its streams spoke."""
    exchange = AnsweringExchange()
    feed = {"symbols": [f"A{number:04}USDT" for number in range(symbols)], "data_types": DATA_TYPES}
    recorder = Recorder(folder, f"ws://127.0.0.1:{exchange.port}", feed=feed)
    begun = time.monotonic()
    recorder.start()
    try:
        streams = symbols * len(DATA_TYPES)
        wait_for(lambda: len(exchange.spoke_at) >= streams)
        spoke = sorted(at - begun for at in exchange.spoke_at.values())
        opened = ", ".join(f"{at - begun:.2f}" for at in exchange.connected_at)
        print(
            f"{streams:,} streams: connections at {opened} s; half of the streams after {spoke[streams // 2]:.2f} s,"
            f" all after {spoke[-1]:.2f} s, {spoke[-1] - spoke[0]:.2f} s after the first",
            flush=True,
        )
        recorder.stop()
    finally:
        recorder.end()
        exchange.stop()


def main() -> None:
    """One line a round."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--symbols", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory(prefix="bench-connecting-") as folder:
            measure(Path(folder), options.symbols)


if __name__ == "__main__":
    main()
