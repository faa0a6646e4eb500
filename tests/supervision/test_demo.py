from pathlib import Path

from collector.config import Config
from collector.exchanges.registry import adapter
from collector.processes.rest_adapters import repairable_adapters
from collector.simulator.fault import parse
from collector.supervision.demo import LOST, LOST_STREAM, demo_config


def test_the_demo_repairs_the_trades_its_exchange_drops(tmp_path: Path) -> None:
    config = demo_config(Config(), "ws://127.0.0.1:1", "http://127.0.0.1:2", tmp_path)
    assert set(repairable_adapters(config, adapter)) == {config.feed[0].name}
    assert parse(LOST).stream == f"{LOST_STREAM.symbol.lower()}@{LOST_STREAM.data_type}"
