"""Runs the writer on journals made by a test, with a data directory and a clock that the test moves."""

import json
import sqlite3
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from collector.config import Config, FeedConfig
from collector.exchanges.adapter import Adapter
from collector.exchanges.registry import adapter
from collector.processes.writer.process import Writer
from collector.reports import WriterReport
from collector.storage.journal.format import FeedIdentity
from collector.storage.journal.writer import JournalWriter
from collector.storage.segment.seal import sealed_segments
from tests.processes.process_harness import ProcessHarness
from tests.storage.journal.dead_journals import let_go
from tests.storage.segment import segment_rows
from tests.storage.segment.segment_files import give_up_at_once

START_NS = 1_700_000_000_000_000_000
SYMBOLS = ("BTCUSDT", "ETHUSDT")
TYPES = ("book_snapshot", "book_delta", "trade")

SPOKEN = "EXISTS (SELECT * FROM streams WHERE symbol = gaps.symbol AND data_type = gaps.stream_type)"
"""Holds for gaps of streams that ever spoke; of the others every outage has a row."""


class World(ProcessHarness):
    """A data directory, a clock that the test moves, and one feed whose ingest is this test."""

    def __init__(self, folder: Path, **sections: Any) -> None:
        feed = FeedConfig(symbols=SYMBOLS, data_types=TYPES, name="f", ws_url="ws://elsewhere")
        super().__init__(Config(data_dir=folder, feed=(feed,), **sections), START_NS)
        self.exchange = "binance"
        self.adapter_of: Callable[[str], Adapter] = adapter
        """Of the journals' exchange; the configuration's feed may be of another one."""
        self.numbers = WriterReport()
        self.free = 1 << 40
        self._is_gone = False
        self.sizes: list[int] = []
        self._numbers: Counter[str] = Counter()
        self._journals: list[JournalWriter] = []

    def journal(
        self,
        file_bytes: int = 1 << 30,
        symbols: tuple[str, ...] = SYMBOLS,
        data_types: tuple[str, ...] = TYPES,
        *,
        feed: str = "f",
    ) -> JournalWriter:
        folder = self.config.data_dir / "journal" / feed
        self._numbers[feed] += 1
        identity = FeedIdentity(feed, self.exchange, symbols, data_types)
        self._journals.append(JournalWriter(folder, identity, self._numbers[feed], file_bytes, lambda: self.now_ns))
        self.gone = self._is_gone
        return self._journals[-1]

    @property
    def gone(self) -> bool:
        """Whether every ingest is dead, also one that begins from now on."""
        return self._is_gone

    @gone.setter
    def gone(self, gone: bool) -> None:
        self._is_gone = gone
        if gone:
            let_go(self._journals)

    def writer(self) -> Writer:
        self.gone = self._is_gone  # also of files begun since
        context = self.context("writer", lambda report: setattr(self, "numbers", report))
        return Writer(context, self.adapter_of, lambda _folder: self.free)

    def run(self, *, stop_after_secs: float = 0) -> None:
        until = self.secs + stop_after_secs
        self.stop_when = lambda: self.secs >= until
        self.writer().run()

    def run_for(self, secs: float) -> None:
        """Run, and be killed while idle, after this many seconds."""

        def stopping() -> bool:
            if self.secs >= secs:
                raise KeyboardInterrupt
            return False

        self.stop_when = stopping
        with pytest.raises(KeyboardInterrupt):
            self.writer().run()

    def run_until_commit(self) -> None:
        """Run, and be killed right after the first commit."""
        self.stop_when = lambda: False
        writer = self.writer()
        real = writer._committer.commit
        calls = 0

        def killed() -> float:
            nonlocal calls
            calls += 1
            if calls == 2:
                raise KeyboardInterrupt
            return real()

        writer._limit = 20
        writer._committer.commit = killed  # type: ignore[method-assign]
        writer.run()

    def run_to_the_stop_with_a_reader(self, *, leaves_after_secs: float) -> None:
        """Stop while a reader holds the open segment's snapshot from before the last commit."""
        self.run_with_a_reader(leaves_after_secs=leaves_after_secs, stop_after_secs=0)

    def run_with_a_reader(self, *, leaves_after_secs: float, stop_after_secs: float) -> None:
        """Run while a reader holds the open segment's first snapshot; keeps every reported size in `sizes`."""
        real, leave_at, stop_at = self.sleep, self.secs + leaves_after_secs, self.secs + stop_after_secs
        readers: list[sqlite3.Connection] = []

        def sleep(secs: float) -> None:
            real(secs)
            self.sizes.append(self.numbers.segments.open_bytes)
            if self.secs >= leave_at:
                readers[0].close()

        self.sleep = sleep  # type: ignore[method-assign]
        writer = self.writer()
        (opened,) = (self.config.data_dir / "segments").glob("*.open.db")
        readers.append(sqlite3.connect(f"file:{opened}?mode=ro", uri=True))
        readers[0].execute("BEGIN")
        readers[0].execute("SELECT * FROM blocks").fetchone()
        give_up_at_once(writer._rotation._segment)
        self.stop_when = lambda: self.secs >= stop_at
        writer.run()
        self.sleep = real  # type: ignore[method-assign]
        readers[0].close()

    def tables(self) -> list[Path]:
        folder = self.config.data_dir / "segments"
        return [*sealed_segments(folder), *folder.glob("*.open.db")]

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = []
        for path in self.tables():
            rows += segment_rows.query(path, sql)
        return rows

    def payloads(self) -> list[bytes]:
        return [row[0] for row in self.query("SELECT payload FROM messages ORDER BY row")]


def trade(trade_id: int, *, price: str = "1.5", symbol: str = "BTCUSDT", at: int | None = None) -> bytes:
    data = {
        "e": "trade", "E": 1_700_000_000_000, "s": symbol, "t": trade_id, "p": price, "q": "2",
        "T": 1_700_000_000_000 + (trade_id if at is None else at), "m": True, "M": True,
    }  # fmt: skip
    return json.dumps({"stream": f"{symbol.lower()}@trade", "data": data}, separators=(",", ":")).encode()


def book(update_id: int) -> bytes:
    data = {"lastUpdateId": update_id, "bids": [], "asks": []}
    return json.dumps({"stream": "btcusdt@depth20@100ms", "data": data}, separators=(",", ":")).encode()


def diff(first_id: int, last_id: int) -> bytes:
    data = {
        "e": "depthUpdate",
        "E": 1_700_000_000_000 + last_id,
        "s": "BTCUSDT",
        "U": first_id,
        "u": last_id,
        "b": [],
        "a": [],
    }
    return json.dumps({"stream": "btcusdt@depth@100ms", "data": data}, separators=(",", ":")).encode()


def connection(number: int, **more: Any) -> dict[str, Any]:
    return {"connection": number, "plan": 0, "url": "ws://x", "streams": 6, **more}
