"""Hands newer configurations to a running recorder's ingest as files, and holds the trades of an archive against their ids."""

import os
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from msgspec.structs import replace

from collector.config.handed_on import newest_number, write_config
from collector.config.load import load
from collector.config.model import Config
from collector.exchanges.registry import data_types
from collector.stats_files import read_object
from tests.whole.accounts import gaps_of, rows_of
from tests.whole.running import Recorder, wait_for


class Changing:
    """A recorder of one feed of binance, whose configuration changes while it records."""

    def __init__(self, recorded: Recorder) -> None:
        self._recorded = recorded
        self.config: Config = load(recorded.config_path, os.environ, data_types())

    def configure(self, **changes: Any) -> int:
        """Hand on a configuration in which the feed has these settings; returns its number."""
        self.config = replace(self.config, feed=(replace(self.config.feed[0], **changes),))
        number = newest_number(self.config.data_dir) + 1
        write_config(self.config.data_dir, number, self.config)
        return number

    def take(self, **changes: Any) -> None:
        """Hand it on and wait until ingest works by it."""
        number = self.configure(**changes)
        wait_for(lambda: self._recorded.alive() and self.works_by() == number)

    def works_by(self) -> int:
        """The number of the configuration that ingest reports."""
        report = read_object(self.config.data_dir / "run" / "stats" / "ingest:binance.json")
        return 0 if report is None else int(report["config_number"])


class Account(NamedTuple):
    """What an archive has of the trades of some symbols."""

    missing: int
    """Ids between the first and the last one that are not there."""
    double: int
    gap_rows: int


def account(recorded: Recorder, symbols: Iterable[str]) -> Account:
    """Hold the archive's trades against their ids, which the exchange counts without a hole."""
    wanted = frozenset(symbols)
    archive = recorded.data_dir / "archive"
    received: dict[str, Counter[int]] = {}
    for row in rows_of(archive, "trade"):
        if row["symbol"] in wanted:
            received.setdefault(row["symbol"], Counter())[int(row["trade_id"])] += 1
    assert received, "nothing at all"
    missing = sum(max(counts) - min(counts) + 1 - len(counts) for counts in received.values())
    double = sum(counts.total() - len(counts) for counts in received.values())
    gaps = [gap for gap in gaps_of(archive) if gap["symbol"] in wanted and gap["stream_type"] == "trade"]
    return Account(missing, double, len(gaps))
