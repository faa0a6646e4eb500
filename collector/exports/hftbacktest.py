"""Files for hftbacktest: its events, one npz a day (UTC)."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from collector.domain.errors import ConfigError
from collector.domain.names import DAY_US, date_of
from collector.exports.asked import Asked
from collector.exports.book_walk import BookWalk
from collector.exports.event_file import EventFile
from collector.exports.events import as_received, level_events, trade_events
from collector.exports.job import moved_text
from collector.exports.levels import levels_of
from collector.exports.plain_rows import timed_rows
from collector.read.ledger.gaps import LedgerRow

_DAY_NS = DAY_US * 1_000


class EventJob:
    """The book and the trades of a symbol, as events; see Job."""

    name = "events"

    def __init__(self, asked: Asked) -> None:
        """Raises QuestionError if there are no books."""
        self._asked = asked
        self._walk = BookWalk(asked)
        self._has_trades = "trade" in asked.data_types
        self._of_trades = asked.rows("trade").gaps if self._has_trades else []
        self._rows = 0
        self._moved_ns: dict[str, int] = {}

    @property
    def gaps(self) -> list[LedgerRow]:
        """See Job."""
        return [*self._walk.gaps, *self._of_trades]

    def write(self, folder: Path) -> Iterator[int]:
        """See Job."""
        file: EventFile | None = None
        day = -1
        for events in as_received(self._trades(), self._levels()):
            for part in _by_day(events):
                if (part_day := int(part["local_ts"][0]) // _DAY_NS) != day:
                    self._finish(file, day)
                    day = part_day
                    file = EventFile(folder / file_name(self._asked, date_of(day)))
                assert file is not None  # noqa: S101 -- made for the first part
                file.add(part)
            yield int(events["local_ts"][-1]) // 1_000
        self._finish(file, day)

    def said(self) -> str:
        """See Job; also by how much local times were moved, because the recorder's clock was behind the exchange's."""
        behind = [f"; local times of {date} moved by {ns // 1_000} µs" for date, ns in self._moved_ns.items()]
        return f"{self._rows} rows{moved_text(self._walk.moved)}{''.join(behind)}"

    def _finish(self, file: EventFile | None, day: int) -> None:
        if file is not None:
            if moved_ns := file.finish():
                self._moved_ns[date_of(day)] = moved_ns
            self._rows += file.rows

    def _trades(self) -> Iterator[Any]:
        if self._has_trades:
            yield from (trade_events(*rows) for rows in timed_rows(self._asked, "trade"))

    def _levels(self) -> Iterator[Any]:
        for part in self._walk.parts():
            events = level_events(levels_of(part))
            if len(events):
                yield events


def jobs(asked: Asked, wanted: Sequence[str]) -> list[EventJob]:
    """The one that there is. Raises ConfigError if data types are named, QuestionError if there are no books."""
    if wanted:
        raise ConfigError(["--data-type: a file of hftbacktest always has the book, and the trades if there are any"])
    return [EventJob(asked)]


def file_name(asked: Asked, date: str) -> str:
    """The name of a day's file: `binance_2026-11-23_BTCUSDT.npz`."""
    return f"{asked.exchange}_{date}_{asked.symbol.replace('/', '-')}.npz"


def _by_day(events: Any) -> Iterator[Any]:
    days = events["local_ts"] // _DAY_NS
    yield from np.split(events, np.flatnonzero(np.diff(days)) + 1)
