"""Which feeds are mended, and that nobody's exchange is asked for what came from elsewhere."""

from pathlib import Path

import pytest

from collector.config import Config, FeedConfig, RepairConfig
from collector.exchanges.registry import adapter
from collector.processes.rest_adapters import repairable_feeds

ELSEWHERE = "ws://127.0.0.1:1"
MIRROR = "http://127.0.0.1:2"


def mended(folder: Path, feed: FeedConfig, *, enabled: bool = True) -> list[str]:
    config = Config(data_dir=folder, feed=(feed,), repair=RepairConfig(enabled=enabled))
    return list(repairable_feeds(config, adapter))


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
def test_a_feed_is_mended_unless_its_stream_is_somebody_elses(
    tmp_path: Path, feed: FeedConfig, expected: list[str]
) -> None:
    assert mended(tmp_path, feed) == expected


def test_repair_can_be_switched_off(tmp_path: Path) -> None:
    assert mended(tmp_path, FeedConfig(), enabled=False) == []
