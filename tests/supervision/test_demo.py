import io
from pathlib import Path

import pytest
from rich.console import Console
from rich.text import Text

from collector.config import Config
from collector.exchanges.registry import adapter
from collector.logs.log_file import LogFile
from collector.processes.rest_adapters import repairable_adapters
from collector.simulator.fault import parse
from collector.supervision import demo
from collector.supervision.demo import LOST, LOST_STREAM, demo_config
from tests.supervision.made import config_of


def test_the_demo_repairs_the_trades_its_exchange_drops(tmp_path: Path) -> None:
    config = demo_config(Config(), "ws://127.0.0.1:1", "http://127.0.0.1:2", tmp_path)
    assert set(repairable_adapters(config, adapter)) == {config.feed[0].name}
    assert demo_config(config_of("edge"), "ws://127.0.0.1:1", "http://127.0.0.1:2", tmp_path).role == "all"
    assert parse(LOST).stream == f"{LOST_STREAM.symbol.lower()}@{LOST_STREAM.data_type}"


@pytest.mark.parametrize(
    ("books", "trades", "said"),
    [(1, 1, "1 whole book, and the trades of 1 gap."), (2, 0, "2 whole books, and the trades of 0 gaps.")],
)
def test_the_summary_counts_one_as_one(tmp_path: Path, books: int, trades: int, said: str) -> None:
    status = {"uptime_secs": 1.0, "repair": {"answered": {"book": books, "trades": trades}}}
    lines = demo._summary(tmp_path, 0, status, LogFile(tmp_path / "log"))
    assert f"Fetched over REST: {said}" in [line.plain for line in lines if isinstance(line, Text)]


def test_the_demo_ends_with_how_it_went_and_what_to_type(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=200)
    with console.capture() as said:
        for part in demo._summary(tmp_path, 5, None, LogFile(tmp_path / "recorder.log")):
            console.print(part, crop=False)
    lines = said.get().splitlines()
    assert lines[0].endswith("; what was received is safe on disk, and the next start goes on with it.")
    assert f"See what is missing and why: collector gaps {tmp_path}/archive" in lines
