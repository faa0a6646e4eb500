"""The history of a recording, for REST: everything played so far, dropped frames included."""

import json
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from collector.simulator.frames import payload
from collector.simulator.replay import Recording
from collector.simulator.rest import Turnover

Levels = dict[Decimal, list[str]]
"""Price and size as recorded, by price."""


class RecordedBook:
    """A recorded snapshot, updated by the recorded diffs."""

    def __init__(self, body: str) -> None:
        """Start from a snapshot's body."""
        snapshot = json.loads(body)
        self.last_id: int = snapshot["lastUpdateId"]
        self._times: dict[str, int] = {name: snapshot[name] for name in ("E", "T") if name in snapshot}
        self._bids, self._asks = _levels(snapshot["bids"]), _levels(snapshot["asks"])

    def apply(self, diff: dict[str, Any]) -> None:
        """Apply a diff, unless the snapshot already contains it."""
        if diff["u"] <= self.last_id:
            return
        self.last_id = diff["u"]
        self._times = {name: diff[name] for name in self._times}
        _change(self._bids, diff["b"])
        _change(self._asks, diff["a"])

    def body(self, limit: int) -> str:
        """The body of a REST response."""
        bids = [self._bids[price] for price in sorted(self._bids, reverse=True)[:limit]]
        asks = [self._asks[price] for price in sorted(self._asks)[:limit]]
        answer = {"lastUpdateId": self.last_id, **self._times, "bids": bids, "asks": asks}
        return json.dumps(answer, separators=(",", ":"))


def _levels(pairs: list[list[str]]) -> Levels:
    return {Decimal(price): [price, size] for price, size in pairs}


def _change(levels: Levels, changes: list[list[str]]) -> None:
    for price, size in changes:
        if Decimal(size):
            levels[Decimal(price)] = [price, size]
        else:
            levels.pop(Decimal(price), None)


class _Past:
    """What was played of one symbol."""

    def __init__(self) -> None:
        self.book: RecordedBook | None = None
        self.fills: list[tuple[int, str]] = []
        self.aggregates: list[tuple[int, str]] = []


class RecordingHistory:
    """See `rest.History`.

    The first to ask for a symbol's book gets the recorded snapshot, which belongs to the recording's beginning; later
    ones get the book as the frames played so far have made it. A symbol without a recorded snapshot has no book.
    """

    is_recorded = True

    def __init__(self, recording: Recording, position: Callable[[], int]) -> None:
        """`position` returns how many frames were played; if it steps back, the recording has started again."""
        self._recording = recording
        self._position = position
        self._given: set[str] = set()
        self._restart()

    def _restart(self) -> None:
        self._read = 0
        self._past: defaultdict[str, _Past] = defaultdict(_Past)
        for symbol, body in self._recording.books.items():
            self._past[symbol].book = RecordedBook(body)

    def symbols(self) -> Mapping[str, bool]:
        """Symbols that were played or have a recorded snapshot; all of them trade."""
        return dict.fromkeys(self._up_to_date(), True)

    def depth(self, symbol: str, limit: int) -> str | None:
        """The recorded snapshot unchanged, whatever the limit, or the current book."""
        if symbol in self._recording.books and symbol not in self._given:
            self._given.add(symbol)
            return self._recording.books[symbol]
        book = self._up_to_date()[symbol].book if symbol in self._recording.books else None
        return None if book is None else book.body(limit)

    def stale_depth(self, symbol: str) -> str | None:
        """The recorded snapshot."""
        return self._recording.books.get(symbol)

    def fills(self, symbol: str, first_id: int | None, limit: int) -> Sequence[str] | None:
        """From what was played."""
        past = self._up_to_date().get(symbol)
        return None if past is None else _page(past.fills, first_id, limit)

    def aggregates(self, symbol: str, first_id: int | None, limit: int) -> Sequence[str] | None:
        """From what was played."""
        past = self._up_to_date().get(symbol)
        return None if past is None else _page(past.aggregates, first_id, limit)

    def turnover(self, symbol: str) -> Turnover:
        """Of the single trades played."""
        fills = [json.loads(text) for _, text in self._up_to_date()[symbol].fills]
        return Turnover(
            sum(float(fill["qty"]) for fill in fills), sum(float(fill["price"]) * float(fill["qty"]) for fill in fills)
        )

    def open_interest(self, symbol: str) -> str | None:  # noqa: ARG002 -- no frame of a recording tells it
        """Unknown."""
        return None

    def _up_to_date(self) -> dict[str, _Past]:
        position = self._position()
        if position < self._read:
            self._restart()
        for frame in self._recording.frames[self._read : position]:
            symbol, _, channel = frame.stream.partition("@")
            if channel.startswith(("trade", "aggTrade", "depth@")) or channel == "depth":
                _note(self._past[symbol.upper()], channel, json.loads(payload(frame.wire))["data"])
        self._read = position
        return self._past


def _note(past: _Past, channel: str, data: dict[str, Any]) -> None:
    if channel == "trade":
        past.fills.append((data["t"], _rest_trade(data)))
    elif channel == "aggTrade":
        past.aggregates.append((data["a"], _rest_aggregate(data)))
    elif past.book is not None:
        past.book.apply(data)


def _rest_trade(data: dict[str, Any]) -> str:
    quote = format(Decimal(data["p"]) * Decimal(data["q"]), "f")
    fields = {"id": data["t"], "price": data["p"], "qty": data["q"], "quoteQty": quote}
    fields |= {"time": data["T"], "isBuyerMaker": data["m"], "isBestMatch": data.get("M", True)}
    return json.dumps(fields, separators=(",", ":"))


def _rest_aggregate(data: dict[str, Any]) -> str:
    return json.dumps({name: data[name] for name in "apqflTmM" if name in data}, separators=(",", ":"))


def _page(history: list[tuple[int, str]], first_id: int | None, limit: int) -> list[str]:
    start = max(0, len(history) - limit) if first_id is None else bisect_left(history, (first_id,))
    return [text for _, text in history[start : start + limit]]
