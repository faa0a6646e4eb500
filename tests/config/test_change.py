"""What differs between two configurations, as it is shown and as it is refused."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from collector.config import Config, FeedConfig, HttpConfig, LogConfig, WriterConfig
from collector.config.change import FIXED, ConfigChange, difference
from collector.config.keys import SETTINGS
from collector.config.model import ArchiveConfig, ChannelConfig
from collector.config.values import Secret

OLD = Config(host_name="box")
BINANCE, KRAKEN = FeedConfig(), FeedConfig(exchange="kraken", symbols=("BTC/USD",), data_types=("trade",))


def to(**changes: object) -> ConfigChange:
    return difference(OLD, replace(OLD, **changes))


def test_the_same_configuration_differs_in_nothing() -> None:
    assert to().is_empty
    assert to(host_name="box").lines == []


def test_each_key_that_differs_is_named_with_both_values() -> None:
    change = to(
        writer=WriterConfig(batch_interval_secs=2.0, adaptive=False), log=LogConfig(level="debug"),
        archive=ArchiveConfig(url="s3://mine/here"),
    )  # fmt: skip
    assert change.lines == [
        "writer.batch_interval_secs: 5.0 -> 2.0",
        "writer.adaptive: true -> false",
        'archive.url: "" -> "s3://mine/here"',
        'log.level: "info" -> "debug"',
    ]
    assert change.keys() == {"writer.batch_interval_secs", "writer.adaptive", "archive.url", "log.level"}
    assert change.refusals == []


def test_a_secret_that_differs_is_named_and_not_shown() -> None:
    old = replace(OLD, http=HttpConfig(token=Secret("tiger-in-the-tank")))
    change = difference(old, replace(OLD, http=HttpConfig(token=Secret("lion-in-the-den"))))
    assert change.lines == ["http.token: *** -> ***"]
    assert difference(old, OLD).lines == ["http.token: *** -> ''"]


def test_feeds_are_told_apart_by_name_wherever_they_stand() -> None:
    first = replace(OLD, feed=(BINANCE, KRAKEN))
    assert difference(first, replace(OLD, feed=(KRAKEN, BINANCE))).is_empty
    added, removed = difference(OLD, first), difference(first, OLD)
    assert (added.added, added.removed, removed.added, removed.removed) == ((KRAKEN,), (), (), (KRAKEN,))
    assert added.lines == ["feed kraken: added (kraken; BTC/USD; trade)"]
    assert removed.lines == ["feed kraken: removed"]
    assert added.keys() == removed.keys() == {"feed.name"}
    assert added.keys("binance") == set()


def test_what_joins_and_leaves_a_feed_is_said_in_few_words() -> None:
    many = tuple(f"S{number}USDT" for number in range(20))
    change = to(feed=(FeedConfig(symbols=("BTCUSDT", *many), data_types=("trade",), lines=2),))
    assert change.lines == [
        "feed binance: symbols: + S0USDT, S1USDT, S2USDT, S3USDT, S4USDT and 15 more",
        "feed binance: data_types: - book_snapshot, book_delta",
        "feed binance: lines: 1 -> 2",
    ]
    assert change.keys("binance") == {"feed.symbols", "feed.data_types", "feed.lines"}
    assert change.keys("kraken") == set()


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("data_dir", {"data_dir": Path("/elsewhere")}),
        ("host_name", {"host_name": "other"}),
        ("channel.capacity", {"channel": ChannelConfig(capacity=16)}),
    ],
)
def test_what_cannot_change_while_it_records_is_refused_by_name(key: str, changes: dict[str, object]) -> None:
    (refusal,) = to(**changes, writer=WriterConfig(adaptive=False)).refusals
    assert refusal.startswith(f"{key} cannot change while it records (")


def test_every_key_that_cannot_change_exists() -> None:
    assert FIXED.keys() <= SETTINGS.keys()
