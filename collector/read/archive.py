"""An archive, and the questions that can be asked of it."""

from collections.abc import Iterator, Sequence
from typing import Final

import pyarrow as pa

from collector.domain.records import GAP_STATUSES, UNDECODED, UNKNOWN
from collector.read.answer import MARKET_KINDS, Ask, Kinds, answer, ends_of_rows
from collector.read.bars import COLUMNS as BAR_COLUMNS
from collector.read.bars import bar_frame
from collector.read.books.questions import TRADE_COLUMNS, BookQuestions, Event
from collector.read.books.view import BookView
from collector.read.condition import CONDITION_SCHEMA
from collector.read.errors import QuestionError
from collector.read.every import every_us
from collector.read.frame import Frame
from collector.read.holdings import Holdings
from collector.read.ledger.gaps import LedgerRow
from collector.read.ledger.ledger_table import LEDGER_SCHEMA, ledger_table
from collector.read.ledger.unrepaired import is_bookless, reaches
from collector.read.marking import mode_of
from collector.read.question import require_list, stream_of
from collector.read.stream_table import STREAM_SCHEMA, stream_rows
from collector.read.window import Moment, Window, moment_us, window

SOURCES: Final = ("trade", "agg_trade")


class Archive:
    """What was recorded: an archive, and with a data directory also what is on its way there, each row once.

    Times may be ISO 8601 text, `now`, dates, datetimes (UTC unless they say otherwise) or microseconds since the epoch; a
    stretch begins with `start` and ends before `end`. `exchange` may be left out where only one has the symbol. Every method may be
    asked again to see what was recorded meanwhile. Raises QuestionError for a question that has no answer, StoreError if
    the archive cannot be read.
    """

    def __init__(self, holdings: Holdings) -> None:
        """`open` of this package makes one."""
        self._holdings = holdings

    @property
    def url(self) -> str:
        """Where the archive is."""
        return self._holdings.store.url

    def streams(self) -> pa.Table:
        """What there is: a row for each stream and host, by name.

        `exchange`, `symbol`, `data_type`, `first` and `last` (when the first and the last row were received), `rows`,
        `bytes` (compressed), `state` and `host`. The state is `open` if its newest rows are in the segment that is written
        now, `waiting` if they wait for the archive, `archived`, or `pruned` if no row is left.
        """
        self._holdings.look()
        found = [
            row
            for stream in sorted(self._holdings.streams())
            for row in stream_rows(stream, self._holdings.pieces(stream))
        ]
        return pa.Table.from_pylist(found, STREAM_SCHEMA)

    def trades(
        self, symbol: str, start: Moment | None = None, end: Moment | None = None, *, exchange: str | None = None,
        source: str = "trade", kinds: Kinds | None = MARKET_KINDS, columns: Sequence[str] | None = None,
        clock: str = "received", gaps: str = "raise", live: bool = True, host: str | None = None,
    ) -> Frame:  # fmt: skip
        """Trades, or with `source="agg_trade"` aggregated ones, in the order of their ids.

        `kinds` are those of trades to return: `market`, `liquidation`, `block`, `insurance_fund`, `adl`, `none`, or the
        exchange's own word, and None where it does not say; `kinds=None` returns all. See `rows` for the rest.
        """
        if source not in SOURCES:
            raise QuestionError(f"source = {source!r}: must be one of {', '.join(map(repr, SOURCES))}")
        require_list("kinds", kinds)
        ask = Ask(source, symbol, exchange, columns, gaps, live, host, kinds if source == "trade" else None)
        return self._frame(ask, window(start, end, clock))

    def deltas(
        self, symbol: str, start: Moment | None = None, end: Moment | None = None, *, exchange: str | None = None,
        columns: Sequence[str] | None = None, clock: str = "received", gaps: str = "raise", live: bool = True,
        host: str | None = None,
    ) -> Frame:  # fmt: skip
        """Changes of the book, in the order of their ids; a row with `is_snapshot` replaces it. See `rows`."""
        return self._frame(Ask("book_delta", symbol, exchange, columns, gaps, live, host), window(start, end, clock))

    def snapshots(
        self, symbol: str, start: Moment | None = None, end: Moment | None = None, *, exchange: str | None = None,
        columns: Sequence[str] | None = None, clock: str = "received", gaps: str = "raise", live: bool = True,
        host: str | None = None,
    ) -> Frame:  # fmt: skip
        """Whole books, or their best levels, as the exchange sends them. See `rows`."""
        return self._frame(Ask("book_snapshot", symbol, exchange, columns, gaps, live, host), window(start, end, clock))

    def ticker(
        self, symbol: str, start: Moment | None = None, end: Moment | None = None, *, exchange: str | None = None,
        columns: Sequence[str] | None = None, clock: str = "received", gaps: str = "raise", live: bool = True,
        host: str | None = None,
    ) -> Frame:  # fmt: skip
        """Best bids and asks. See `rows`."""
        return self._frame(Ask("book_ticker", symbol, exchange, columns, gaps, live, host), window(start, end, clock))

    def undecoded(
        self, symbol: str = UNKNOWN, start: Moment | None = None, end: Moment | None = None, *,
        exchange: str | None = None, columns: Sequence[str] | None = None, clock: str = "received",
        gaps: str = "raise", live: bool = True, host: str | None = None,
    ) -> Frame:  # fmt: skip
        """Frames that were not understood, with the reason; symbol `_` has those of an unknown stream. See `rows`."""
        return self._frame(Ask(UNDECODED, symbol, exchange, columns, gaps, live, host), window(start, end, clock))

    def rows(
        self, data_type: str, symbol: str, start: Moment | None = None, end: Moment | None = None, *,
        exchange: str | None = None, columns: Sequence[str] | None = None, clock: str = "received",
        gaps: str = "raise", live: bool = True, host: str | None = None,
    ) -> Frame:  # fmt: skip
        """The rows of any data type, in the order of their ids, where the exchange has ids, else as they were received.

        `columns` are those of the data type's files, all if None; those that an older file does not have are null.
        `clock="received"` takes the time at which a message was received, and of one that was fetched later over REST the
        exchange's; `clock="exchange"` takes the exchange's, or the other where the message has none.

        `gaps` is what happens where rows are missing, or may be: `raise` refuses with a GapError; `mark` adds a column
        `gap_id`, which has at each row before which a gap is, or may be, its id (of several with spaces between), else null;
        `split` adds a column `piece` that counts from 0 and changes at each such row; `ignore` reads across.

        `live=False` reads the archive alone. `host` chooses among recorders of the same stream; without it, several that
        recorded at the same time are an error.
        """
        return self._frame(Ask(data_type, symbol, exchange, columns, gaps, live, host), window(start, end, clock))

    def gaps(
        self, symbol: str | None = None, start: Moment | None = None, end: Moment | None = None, *,
        exchange: str | None = None, status: str | None = None,
    ) -> Frame:  # fmt: skip
        """The gap ledger: the latest row of each gap that reaches into the time, by start; repaired ones, too.

        `status` is one of `open`, `repaired`, `partly_repaired`, `unrepairable`; None means all. With a symbol there are
        also the gaps of its whole feed, whose symbol is `_`.
        """
        when = window(start, end)
        if status not in {None, *GAP_STATUSES}:
            raise QuestionError(f"status = {status!r}: must be one of {', '.join(GAP_STATUSES)}")
        self._holdings.look()
        found = [row for row in self._holdings.ledger(exchange, symbol) if reaches(row, when)]
        table = ledger_table(row for row in found if status in {None, row.gap.status})
        return Frame("gap ledger", LEDGER_SCHEMA, lambda: iter((table,)))

    def book_at(
        self, symbol: str, at: Moment, *, depth: int | None = None, exchange: str | None = None, gaps: str = "raise",
        live: bool = True, host: str | None = None,
    ) -> BookView:  # fmt: skip
        """The book at a moment, with its best `depth` levels a side (None: all that are known).

        It follows from the last whole book before, and all updates since that were received by then. If it is not known
        because of a gap, that is a GapError with `gaps="raise"`; else, and before the first whole book, all but `at` is None.
        """
        return self._books(symbol, exchange, gaps, live, host).at(moment_us(at), depth)

    def depth(
        self, symbol: str, start: Moment | None = None, end: Moment | None = None, *, levels: int = 20,
        every: str = "100ms", exchange: str | None = None, gaps: str = "raise", live: bool = True, host: str | None = None,
    ) -> Frame:  # fmt: skip
        """The best `levels` of the book at each multiple of `every` (since the epoch) from `start` to before `end`.

        An end that is left open is that of the rows. The columns are
        `at`, `last_id`, `bid_prices`, `bid_sizes`, `ask_prices`, `ask_sizes`, best first; all but `at` are null where the book
        is not known: behind a gap until the next whole book. With `mark`, `gap_id` names the gap it is unknown for; with
        `split`, `piece` changes behind each gap.
        """
        questions = self._books(symbol, exchange, gaps, live, host)
        return questions.depth(window(start, end), levels, every_us(every))

    def replay(
        self, symbol: str, start: Moment | None = None, end: Moment | None = None, *,
        with_trades: bool = False, exchange: str | None = None, gaps: str = "raise", live: bool = True, host: str | None = None,
    ) -> Iterator[Event]:  # fmt: skip
        """The book as of `start`, if it is known, and then each update received before `end`, in the order of ids.

        `with_trades` also gives trades, each before the updates of the same time. Unless gaps are ignored there is an event
        where one is passed. Its row's `gap.stream_type` says of what: behind a gap of trades the book goes on, behind any
        other there is no book until the next whole one. `raise` refuses at once. An end that is left open is that of the rows.
        """
        questions, when = self._books(symbol, exchange, gaps, live, host), window(start, end)
        trades = None
        if with_trades:
            trades = self.trades(
                symbol, start, end, exchange=exchange, columns=TRADE_COLUMNS,
                gaps="mark" if gaps == "split" else gaps, live=live, host=host,
            )  # fmt: skip
        return questions.events(when, trades)

    def bars(
        self, symbol: str, start: Moment | None = None, end: Moment | None = None, *, every: str = "1m",
        exchange: str | None = None, source: str = "trade", kinds: Kinds | None = MARKET_KINDS, gaps: str = "mark",
        live: bool = True, host: str | None = None,
    ) -> Frame:  # fmt: skip
        """Bars of trades, by the exchange's time; a bar without trades has no row.

        `start`, `open`, `high`, `low`, `close`, `volume` (the sum of sizes), `turnover` (of price times size), `buy_volume` (the
        takers' buys; null if no trade tells its side) and `trades`. `every` is a length such as `100ms`, `1s`, `1m`, `1h`, counted from the epoch. With `mark`
        there is also `gap_id`: the gaps that reach into the bar, with spaces between; a bar of a gap that has no trade is a
        row of nulls, because nobody knows. With `split` there is `piece`, and no bar reaches over a gap. See `rows`.
        """
        length_us = every_us(every)
        mode = mode_of(gaps)
        when = window(start, end, "exchange")
        trades = self.trades(
            symbol, start, end, exchange=exchange, source=source, kinds=kinds, columns=BAR_COLUMNS, clock="exchange",
            gaps="ignore" if mode == "mark" else mode, live=live, host=host,
        )  # fmt: skip
        return bar_frame(trades, mode, length_us, when, self._holdings.now_us)

    def condition(
        self, start: Moment | None = None, end: Moment | None = None, *, symbol: str | None = None,
        exchange: str | None = None, data_type: str | None = None,
    ) -> Frame:  # fmt: skip
        """In what condition each day of each stream is, by name and date; an end that is left open is that of its rows.

        `state` is `available` if nothing is known to be missing, `degraded` if something is, or may be, `pending` if the day is
        not over or not all of it archived, `missing` if there is no row of it although there should be. The seconds of the
        day are parted into `verified_secs` (ids, a count of frames or checksums prove that nothing is missing),
        `unverifiable_secs` (nothing is known to be missing, and nothing proves it), `broken_secs` (rows are missing) and
        `absent_secs` (before the first row or behind the last one). `gaps` counts the gaps of the day.
        """
        when = window(start, end)
        self._holdings.look()
        asked = {"exchange": exchange, "symbol": symbol, "data_type": data_type}
        streams = [
            stream
            for stream in sorted(self._holdings.streams())
            if all(value in {None, getattr(stream, name)} for name, value in asked.items())
        ]
        table = pa.Table.from_pylist(list(self._holdings.conditions(streams, when)), CONDITION_SCHEMA)
        return Frame("condition", CONDITION_SCHEMA, lambda: iter((table,)))

    def _books(self, symbol: str, exchange: str | None, gaps: str, live: bool, host: str | None) -> BookQuestions:
        """Books of a symbol: of its updates, or of the books that the exchange sends, where it sends no updates."""
        mode = mode_of(gaps)
        self._holdings.look()
        known = self._holdings.streams()
        has_deltas = any(one.symbol == symbol and one.data_type == "book_delta" for one in known)
        stream = stream_of(known, "book_delta" if has_deltas else "book_snapshot", symbol, exchange)

        def ask(since_us: int, until_us: int, columns: Sequence[str], mode: str) -> Frame:
            asked = Ask(stream.data_type, symbol, stream.exchange, columns, mode, live, host)
            return self._frame(asked, Window(since_us, until_us))

        def bookless(at_us: int) -> list[LedgerRow]:
            ledger = self._holdings.ledger(stream.exchange, symbol)
            return [row for row in ledger if is_bookless(row, stream, at_us)]

        def ends(when: Window) -> Window:
            return ends_of_rows(self._holdings, stream, when, live=live, host=host)

        return BookQuestions(stream, mode, ask, bookless, ends)

    def _frame(self, ask: Ask, when: Window) -> Frame:
        self._holdings.look()
        return answer(self._holdings, ask, when)
