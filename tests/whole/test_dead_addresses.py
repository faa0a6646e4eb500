"""The exchange's name has addresses that swallow whatever is sent to them, as its resolver really says."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

from tests.dial.names import DeadAddress
from tests.whole.networks import with_hosts
from tests.whole.running import Exchange, Recorder, wait_for

NAME = "exchange.test"
DEAD, LIVE = ["127.0.0.2", "127.0.0.3"], "127.0.0.4"
HOSTS = "".join(f"{host} {NAME}\n" for host in [*DEAD, LIVE]) + "127.0.0.1 localhost\n"


def test_dead_addresses_of_the_exchange_do_not_stop_recording(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder], tmp_path: Path
) -> None:
    within = with_hosts(tmp_path / "hosts", HOSTS)
    source = exchange("--host", LIVE, "--symbols", "BTCUSDT", "--rate", "50")
    ws, rest = urlsplit(source.ws_url), urlsplit(source.rest_url)
    with ExitStack() as undo:
        for host in DEAD:
            for port in {ws.port, rest.port} - {None}:
                undo.callback(DeadAddress(host, port).close)
        feed = {
            "symbols": ["BTCUSDT"],
            "data_types": ["book_delta", "trade"],
            "rest_url": f"http://{NAME}:{rest.port}",
        }
        recorded = recorder(f"ws://{NAME}:{ws.port}", feed=feed)
        recorded.program = [*within, *recorded.program]
        recorded.start()
        recorded.wait_for_messages(50)
        wait_for(lambda: sum(recorded.status()["repair"]["answered"].values()))
        assert recorded.logged("connect_failed") + recorded.logged("rest_failed") == []
        assert recorded.stop() == 0
