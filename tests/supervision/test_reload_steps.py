"""Whom a change of the configuration concerns."""

from typing import Any

import pytest
from msgspec.structs import replace

from collector.config import Config, FeedConfig
from collector.config.change import FIXED, difference
from collector.config.keys import KEYS
from collector.config.model import RepairConfig
from collector.processes.roles import ROLES
from collector.supervision.reload_steps import Steps, steps_of

BINANCE, KRAKEN = FeedConfig(), FeedConfig(exchange="kraken", symbols=("BTC/USD",), data_types=("trade",))
OLD = Config(host_name="box", feed=(BINANCE, KRAKEN))
INGESTS = ("ingest:binance", "ingest:kraken")


def steps(new: Config, old: Config = OLD) -> Steps:
    return steps_of(difference(old, new), old, new)


def with_setting(key: str, value: Any) -> Config:
    section, _, name = key.rpartition(".")
    return replace(OLD, **{section: replace(getattr(OLD, section), **{name: value})})


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("archive.compression_level", 9, Steps(renew=("writer", "archiver"))),
        ("archive.url", "s3://x", Steps(renew=("archiver",))),
        ("archive.keep_raw", True, Steps(renew=("writer", "archiver"))),
        ("segment.interval_secs", 60.0, Steps(renew=("writer",))),
        ("writer.max_batch_size", 5, Steps(renew=("writer",))),
        ("writer.batch_interval_secs", 1.0, Steps(renew=("writer",), tell=INGESTS)),
        ("ingest.reconnect_max_delay_secs", 900.0, Steps(renew=("repair", "writer"), tell=INGESTS)),
        ("repair.weight_share", 0.1, Steps(renew=("repair", "writer"))),
        ("supervisor.restart_max_delay_secs", 90.0, Steps()),
        ("log.level", "debug", Steps()),
        ("http.port", 0, Steps()),
    ],
)
def test_a_setting_concerns_those_who_read_it(key: str, value: Any, expected: Steps) -> None:
    assert steps(with_setting(key, value)) == expected


def test_the_same_configuration_concerns_nobody() -> None:
    assert steps(OLD).concerned == set()


def test_a_feed_that_is_added_or_removed_leaves_the_other_feeds_alone() -> None:
    okx = FeedConfig(exchange="okx", symbols=("BTC-USDT",), data_types=("trade",))
    assert steps(replace(OLD, feed=(BINANCE, KRAKEN, okx))) == Steps(start=("ingest:okx",), renew=("repair", "writer"))
    assert steps(replace(OLD, feed=(KRAKEN,))) == Steps(retire=("ingest:binance",), renew=("repair", "writer"))
    assert steps(replace(OLD, feed=(KRAKEN, BINANCE))) == Steps()


def test_what_becomes_of_each_process_is_said() -> None:
    said = Steps(("ingest:okx",), ("ingest:kraken",), ("repair", "writer"), ("ingest:binance",)).lines
    assert said == [
        "ingest:okx starts", "ingest:kraken stops", "repair is renewed", "writer is renewed", "ingest:binance goes on",
    ]  # fmt: skip


def test_a_changed_feed_concerns_its_own_ingest_alone() -> None:
    wider = replace(BINANCE, symbols=("BTCUSDT", "ETHUSDT"))
    assert steps(replace(OLD, feed=(wider, KRAKEN))) == Steps(renew=("repair", "writer"), tell=("ingest:binance",))
    doubled = replace(KRAKEN, lines=2)
    assert steps(replace(OLD, feed=(BINANCE, doubled))) == Steps(tell=("ingest:kraken",))


def test_a_feed_of_another_exchange_is_another_process() -> None:
    moved = replace(KRAKEN, exchange="coinbase", symbols=("BTC-USD",), name="kraken")
    assert steps(replace(OLD, feed=(BINANCE, moved))) == Steps(renew=("ingest:kraken", "repair", "writer"))


def test_repair_is_started_when_it_is_needed_and_retired_when_not() -> None:
    without = replace(OLD, repair=RepairConfig(enabled=False))
    assert steps(without) == Steps(retire=("repair",), renew=("writer",), tell=INGESTS)
    assert steps(OLD, without) == Steps(start=("repair",), renew=("writer",), tell=INGESTS)


def test_every_setting_that_a_role_names_exists() -> None:
    for role in ROLES:
        for setting in role.settings:
            assert any(key == setting or key.startswith(f"{setting}.") for key in KEYS), setting
            assert setting not in FIXED
