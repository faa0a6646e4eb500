"""A writer and a repair process on one data directory, and an exchange: all real but time and the network."""

import json
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from collector.config import BookConfig, Config, FeedConfig, IngestConfig
from collector.dial import Address
from collector.exchanges.adapter import Adapter
from collector.exchanges.registry import adapter
from collector.feed.request_weight import WeightBudget
from collector.feed.rest import RestError, RestResponse
from collector.processes.repair.feed_repair import FeedRepair
from collector.processes.repair.process import make_feed_repair
from collector.processes.repair.throttled_client import Client
from collector.processes.repair.under_way import Run, UnderWay
from collector.processes.writer.process import Writer
from collector.reports import Report
from collector.storage.journal.files import journal_files
from collector.storage.journal.format import FeedIdentity
from collector.storage.journal.writer import JournalWriter
from collector.storage.request_files import RequestFolder, request_folder
from collector.storage.segment.seal import sealed_segments
from tests.processes.process_harness import ProcessHarness
from tests.storage.segment import segment_rows

START_NS = 1_700_000_040_000_000_000
"""The beginning of a minute."""

WINDOW_SECS = 60.0
BRIEF_LEVELS = 100

_LOOKS = 60
"""Of a writer that is asked each time whether it shall stop: enough to store what it finds, twice."""


class FakeExchange:
    """Answers as the exchange would, and keeps count of the weight; `script` holds what to answer first instead."""

    def __init__(self, clock: "World") -> None:
        self._clock = clock
        self.trades: dict[str, set[int]] = {}
        self.last_update_ids: dict[str, int] = {}
        self.script: deque[RestResponse | RestError] = deque()
        self.asked: list[tuple[float, str]] = []
        self.spent: list[tuple[float, int]] = []
        self.renewals = 0
        self.latency_ns = 0
        self.ahead_us = 0

    def answer(self, status: int, body: bytes = b"{}", **headers: str) -> None:
        """Answer the next request so."""
        self.script.append(RestResponse(status, headers, body, 0, 0))

    def fail(self, reason: str = "unreachable") -> None:
        """Do not answer the next request."""
        self.script.append(RestError(reason, "nobody is there"))

    def get(self, target: str, method: str = "GET", body: str = "") -> RestResponse:
        asked_ns = self._clock.now_ns
        self.asked.append((self._clock.secs, target))
        if self.script:
            scripted = self.script.popleft()
            if isinstance(scripted, RestError):
                raise scripted
            return scripted
        url = urlsplit(target)
        query = dict(parse_qsl(url.query))
        weight, content = self._content(url.path, query)
        self.spent.append((self._clock.secs, weight))
        self._clock.sleep(self.latency_ns / 1e9)
        found = json.dumps(content, separators=(",", ":")).encode()
        return RestResponse(200, {"X-MBX-USED-WEIGHT-1M": str(self.used())}, found, asked_ns, self._clock.now_ns)

    def renew(self, address: Address | None) -> None:
        self.renewals += 1

    def used(self) -> int:
        """In the running minute."""
        return sum(weight for at, weight in self.spent if at // WINDOW_SECS == self._clock.secs // WINDOW_SECS)

    def most_in_any_window(self) -> int:
        """The most weight that any minute, wherever it begins, has seen."""
        length = WINDOW_SECS - 0.001
        return max(sum(w for at, w in self.spent if begin <= at < begin + length) for begin, _ in self.spent)

    def kinds(self) -> list[str]:
        """What was asked, shortened to path and symbol."""
        urls = [urlsplit(target) for _, target in self.asked]
        return [f"{url.path.rpartition('/')[2]} {dict(parse_qsl(url.query)).get('symbol', '')}".strip() for url in urls]

    def _content(self, path: str, query: Mapping[str, str]) -> tuple[int, Any]:
        match path:
            case "/api/v3/time":
                return 1, {
                    "serverTime": (self._clock.now_ns // 1_000 + self.latency_ns // 2_000 + self.ahead_us) // 1_000
                }
            case "/api/v3/depth":
                weight = 5 if int(query["limit"]) <= BRIEF_LEVELS else 250
                return weight, {"lastUpdateId": self.last_update_ids[query["symbol"]], "bids": [["1", "2"]], "asks": []}
            case "/api/v3/historicalTrades":
                ids = sorted(id_ for id_ in self.trades[query["symbol"]] if id_ >= int(query["fromId"]))
                return 25, [rest_trade(id_) for id_ in ids[: int(query["limit"])]]
        raise AssertionError(path)


class World(ProcessHarness):
    """Time passes only when somebody waits."""

    def __init__(
        self,
        folder: Path,
        *,
        symbols: tuple[str, ...] = ("BTCUSDT",),
        data_types: tuple[str, ...] = ("book_delta", "trade"),
        checkpoint_secs: float = 0.0,
        exchange: Adapter | None = None,
        client: Client | None = None,
        refresh_secs: float = 300.0,
        at_once: int = 1,
        settings: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        """Of Binance unless `exchange` is given, whose server `client` asks. No request takes time, but what `client` says."""
        self.adapter = exchange or adapter("binance")
        feed = FeedConfig(exchange=self.adapter.exchange, symbols=symbols, data_types=data_types, name="f")
        book = BookConfig(checkpoint_interval_secs=checkpoint_secs)
        super().__init__(
            Config(
                data_dir=folder,
                feed=(feed,),
                book=book,
                ingest=IngestConfig(symbols_refresh_secs=refresh_secs),
                **settings,
            ),
            START_NS,
        )
        self.exchange = FakeExchange(self)
        self.client: Client = client or self.exchange
        self.at_once = at_once
        self.run: Run = lambda get: get()
        self.free_bytes = 1 << 40
        self._number = 0

    def new_repair(self) -> FeedRepair:
        """A new incarnation's."""
        side = self.adapter.rest
        assert side is not None
        context = self.context("repair")
        limits = side.limits
        run = self.config.data_dir / "run"
        run.mkdir(parents=True, exist_ok=True)
        budget = WeightBudget(
            run / f"weight-{limits.budget}.json", limits.weight, limits.window_secs, self.config.repair.weight_share,
            context.clock.now_ns,
        )  # fmt: skip
        under_way = UnderWay(self.client, self._run, self.at_once)
        return make_feed_repair(context, self.config.feed[0], side, budget, self.client, under_way)

    def _run(self, get: Callable[[], None]) -> None:
        self.run(get)

    def repair(self, feed_repair: FeedRepair | None = None, *, for_secs: float = 0.0) -> FeedRepair:
        """Let repair work until it has nothing to do now, or for `for_secs`."""
        feed_repair = feed_repair or self.new_repair()
        until = self.secs + for_secs
        while (wait := feed_repair.step()) == 0 or self.secs < until:
            self.sleep(max(0.01, min(wait, 1.0)))
        return feed_repair

    def write(self, *, stop_after_secs: float = 0.0, report: Callable[[Report], None] = lambda _numbers: None) -> None:
        """Let a new writer work until nothing is left to read and so much time has passed, and stop it."""
        until = self.secs + stop_after_secs
        self.stop_when = lambda: self.secs >= until
        self._writer(report).run()

    def write_until_killed(self, feed_repair: FeedRepair) -> None:
        """Let a writer request, store what repair answers, and be killed while it is idle."""
        looks = 0

        def stopping() -> bool:
            nonlocal looks
            looks += 1
            if looks == _LOOKS:
                raise KeyboardInterrupt
            if looks == _LOOKS // 2:
                self.repair(feed_repair)
            return False

        self.stop_when = stopping
        with suppress(KeyboardInterrupt):
            self._writer(lambda _numbers: None).run()

    def _writer(self, report: Callable[[Report], None]) -> Writer:
        return Writer(self.context("writer", report), lambda _name: self.adapter, lambda _folder: self.free_bytes)

    def journal(self) -> JournalWriter:
        """Of a new ingest."""
        self._number += 1
        feed = self.config.feed[0]
        identity = FeedIdentity("f", feed.exchange, feed.symbols, feed.data_types)
        return JournalWriter(self.config.data_dir / "journal/f", identity, self._number, 1 << 30, lambda: self.now_ns)

    def receive(self, *frames: bytes) -> None:
        """Append frames to the journal of an ingest that then ends."""
        journal = self.journal()
        journal.append_frames(self.now_ns, 0, frames)
        journal.close()
        self.sleep(0.001)

    @property
    def requests(self) -> RequestFolder:
        return RequestFolder(request_folder(self.config.data_dir, "f"))

    def waiting(self) -> list[str]:
        """The names of the requests on disk."""
        return sorted(path.name for path in request_folder(self.config.data_dir, "f").glob("*.request"))

    def rest_files(self) -> list[Path]:
        return [path for _, path in journal_files(self.config.data_dir / "journal/f~rest")]

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Of all segments, in commit order."""
        folder = self.config.data_dir / "segments"
        rows: list[tuple[Any, ...]] = []
        for path in [*sealed_segments(folder), *folder.glob("*.open.db")]:
            rows += segment_rows.query(path, sql)
        return rows

    def stored(self, data_type: str = "trade") -> list[tuple[int, int]]:
        """Id and line of the messages of a data type, as stored."""
        return self.query(
            f"SELECT id, line FROM messages JOIN streams USING (stream_id) WHERE data_type = '{data_type}' ORDER BY row"
        )

    def ledger(self, data_type: str = "trade") -> list[tuple[Any, ...]]:
        """Expected id, missing, status and repairer of each row of a data type, without those of missing books."""
        return self.query(
            "SELECT expected_id, missing, status, repaired_by FROM gaps"
            f" WHERE stream_type = '{data_type}' AND kind != 'book_unknown' ORDER BY row"
        )

    def books_unknown(self) -> list[tuple[Any, ...]]:
        """Cause, first update without a book, the book's id, start and end of each row of missing books."""
        return self.query(
            "SELECT cause, expected_id, actual_id, started_at, ended_at FROM gaps WHERE kind = 'book_unknown' ORDER BY row"
        )


def trade(trade_id: int, symbol: str = "BTCUSDT") -> bytes:
    data = {
        "e": "trade", "E": 1_700_000_000_000, "s": symbol, "t": trade_id, "p": "1.5", "q": "2",
        "T": 1_700_000_000_000 + trade_id, "m": True, "M": True,
    }  # fmt: skip
    return json.dumps({"stream": f"{symbol.lower()}@trade", "data": data}, separators=(",", ":")).encode()


def rest_trade(trade_id: int) -> dict[str, Any]:
    return {
        "id": trade_id, "price": "1.5", "qty": "2", "quoteQty": "3", "time": 1_700_000_000_000 + trade_id,
        "isBuyerMaker": True, "isBestMatch": True,
    }  # fmt: skip


def diff(first_id: int, last_id: int, symbol: str = "BTCUSDT") -> bytes:
    data = {
        "e": "depthUpdate", "E": 1_700_000_000_000 + last_id, "s": symbol, "U": first_id, "u": last_id, "b": [], "a": [],
    }  # fmt: skip
    return json.dumps({"stream": f"{symbol.lower()}@depth@100ms", "data": data}, separators=(",", ":")).encode()
