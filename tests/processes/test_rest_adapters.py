"""Which feeds can be repaired."""

from pathlib import Path

import pytest

from collector.config import Config, FeedConfig, RepairConfig
from collector.exchanges.registry import adapter
from collector.processes.rest_adapters import repairable_adapters

ELSEWHERE = "ws://127.0.0.1:1"
MIRROR = "http://127.0.0.1:2"


def repairable(folder: Path, feed: FeedConfig, *, enabled: bool = True) -> list[str]:
    config = Config(data_dir=folder, feed=(feed,), repair=RepairConfig(enabled=enabled))
    return list(repairable_adapters(config, adapter))


@pytest.mark.parametrize(
    ("feed", "expected"),
    [
        (FeedConfig(), ["binance"]),
        (FeedConfig(exchange="binance_usdm", name="u"), ["u"]),
        (FeedConfig(ws_url=ELSEWHERE), []),
        (FeedConfig(ws_url=ELSEWHERE, rest_url=MIRROR), ["binance"]),
        (FeedConfig(rest_url=MIRROR), ["binance"]),
    ],
)
def test_a_feed_of_another_server_needs_a_rest_url_to_be_repaired(
    tmp_path: Path, feed: FeedConfig, expected: list[str]
) -> None:
    assert repairable(tmp_path, feed) == expected


def test_no_feed_is_repaired_when_repair_is_off(tmp_path: Path) -> None:
    assert repairable(tmp_path, FeedConfig(), enabled=False) == []
