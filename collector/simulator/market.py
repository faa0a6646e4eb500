"""One symbol's market: seeded, without a clock. The same seed and the same calls give the same text, byte for byte.

Ids behave as recorded ones do: diffs chain by `U == previous u + 1` and span many ids, trade and aggregate ids are
dense, `@depth20` carries the `u` of the diff of the same beat, and a `@bookTicker` equals the book at its `u`.
"""

import random
from collections.abc import Iterator
from typing import Final, NamedTuple, TypeVar

from collector.simulator import messages
from collector.simulator.book import Book, Level, Side
from collector.simulator.messages import AggTrade, Scale, Trade

LEVELS: Final = 300
"""Approximate number of levels a side has."""
THIN: Final = 50
"""A side this short is not thinned further, so that the top 20 are always there."""
HISTORY: Final = 50_000
"""At least this many of the latest trades are available over REST."""
WIDE_SPREAD: Final = 20
"""In ticks; with a wider spread every quote goes inside it."""
START_TICKS: Final = {"BTCUSDT": 6_183_764, "ETHUSDT": 268_381}
SCALE: Final = Scale(tick=1_000_000, step=1_000)

Fill = TypeVar("Fill", Trade, AggTrade)


class Message(NamedTuple):
    """A stream's name and one payload of it, not yet wrapped."""

    stream: str
    data: str


class Traded(NamedTuple):
    """Everything traded so far: in steps of size, and in ticks times steps."""

    size: int = 0
    value: int = 0


class Market:
    """The book and the trades of one symbol."""

    def __init__(self, symbol: str, seed: int) -> None:
        """Fill the book; `symbol` is upper-case, as in payloads."""
        self.symbol = symbol
        self.scale = SCALE
        self._random = random.Random(f"{seed}:{symbol}")
        self.book = Book(update_id=self._random.randrange(10**9, 10**11))
        self.trades: list[Trade] = []
        self.agg_trades: list[AggTrade] = []
        self.traded = Traded()
        self._next_trade_id = self._random.randrange(10**6, 10**10)
        self._next_agg_id = self._random.randrange(10**6, 10**10)
        self._fill_book()
        self.book.take_changes()
        self._quoted = self.book.best()

    def _fill_book(self) -> None:
        middle = START_TICKS.get(self.symbol) or self._random.randrange(10**5, 10**6)
        for side in (self.book.bids, self.book.asks):
            price = middle if side.sign < 0 else middle + 1
            for _ in range(LEVELS):
                self.book.set(side, price, self._size())
                price += side.sign * self._random.choice((1, 1, 1, 2, 3, 8))

    def step(self, at_ms: int, events: int) -> list[Message]:
        """One whole beat of 100 ms: `events` events, then the messages at its end."""
        return [*self.happen(at_ms, events), *self.beat(at_ms)]

    def happen(self, at_ms: int, events: int) -> list[Message]:
        """Let `events` orders arrive; returns the trades and best prices they cause."""
        sent: list[Message] = []
        for _ in range(events):
            self._skip_ids()
            sent.extend(self._event(at_ms))
            if self.book.best() != self._quoted:
                self._quoted = self.book.best()
                ticker = messages.book_ticker(self.book.update_id, self._quoted, self.symbol, self.scale)
                sent.append(self._message("bookTicker", ticker))
        return sent

    def beat(self, at_ms: int) -> list[Message]:
        """End a beat; returns the diff and the partial book, or nothing if nothing changed since the last."""
        changes = self.book.take_changes()
        if changes is None:
            return []
        top = messages.snapshot(changes.last_id, self.book.bids.top(20), self.book.asks.top(20), self.scale)
        return [
            self._message("depth@100ms", messages.depth_update(changes, self.symbol, at_ms, self.scale)),
            self._message("depth20@100ms", top),
        ]

    def skip_ids(self, ids: int) -> None:
        """Skip this many ids of trades and of aggregates, as if they had never existed."""
        self._next_trade_id += ids
        self._next_agg_id += ids

    def depth(self, limit: int) -> str:
        """Render the body of REST depth."""
        return messages.snapshot(self.book.update_id, self.book.bids.top(limit), self.book.asks.top(limit), self.scale)

    def _message(self, suffix: str, data: str) -> Message:
        return Message(f"{self.symbol.lower()}@{suffix}", data)

    def _size(self) -> int:
        return self._random.randrange(1, 10 ** self._random.randint(2, 6))

    def _skip_ids(self) -> None:
        # The jump from one diff's u to the next has a median of 16-40 and reaches 1,466 in recorded markets.
        most = self._random.choices((12, 1_400), (499, 1))[0]
        self.book.skip(self._random.randrange(most))

    def _event(self, at_ms: int) -> Iterator[Message]:
        match self._random.choices(("take", "quote", "rearrange"), (15, 45, 40))[0]:
            case "take":
                yield from self._take(at_ms)
            case "quote":
                self._quote()
            case _:
                self._rearrange()

    def _either_side(self) -> Side:
        return self._random.choice((self.book.bids, self.book.asks))

    def _take(self, at_ms: int) -> Iterator[Message]:
        """A taker order fills the best levels: a trade for each resting order, an aggregate for each price."""
        side = self._either_side()
        prices = self._random.choices((1, 2, 3, 20), (70, 15, 10, 5))[0]
        remaining = self._random.randrange(1, 2 * sum(size for _, size in side.top(prices)))
        for price, size in side.top(prices):
            if not remaining or len(side) <= THIN:
                break
            filled = min(remaining, size)
            remaining -= filled
            yield from self._fill(side, (price, size), filled, at_ms)

    def _fill(self, side: Side, level: Level, filled: int, at_ms: int) -> Iterator[Message]:
        price, size = level
        self.traded = Traded(self.traded.size + filled, self.traded.value + price * filled)
        traded_ms = at_ms - 1
        first_id, seller_is_taker = self._next_trade_id, side is self.book.bids
        for part in self._parts(filled):
            size -= part
            self.book.set(side, price, size)
            fill = Trade(self._next_trade_id, price, part, traded_ms, seller_is_taker)
            self._next_trade_id += 1
            _remember(self.trades, fill)
            yield self._message("trade", messages.trade(fill, self.symbol, at_ms, self.scale))
        fills = AggTrade(
            self._next_agg_id, price, filled, first_id, self._next_trade_id - 1, traded_ms, seller_is_taker
        )
        self._next_agg_id += 1
        _remember(self.agg_trades, fills)
        yield self._message("aggTrade", messages.agg_trade(fills, self.symbol, at_ms, self.scale))

    def _parts(self, filled: int) -> Iterator[int]:
        for _ in range(self._random.choice((0, 0, 0, 1, 2))):
            if filled > 1:
                part = self._random.randrange(1, filled)
                filled -= part
                yield part
        yield filled

    def _quote(self) -> None:
        """Change the best level: its size, a better price inside the spread, or its removal."""
        side = self._either_side()
        price, _ = side.level(0)
        (bid, _), (ask, _) = self.book.best()
        kind = self._random.choices(("improve", "remove", "resize"), (40, 15, 45))[0]
        if (kind == "improve" and ask - bid > 1) or ask - bid > WIDE_SPREAD:
            self.book.set(side, price - side.sign * self._random.randrange(1, ask - bid), self._size())
        elif kind == "remove" and len(side) > THIN:
            self.book.set(side, price, 0)
        else:
            self.book.set(side, price, self._size())

    def _rearrange(self) -> None:
        """Change levels below the best one of one side."""
        side = self._either_side()
        for _ in range(self._random.randint(1, 4)):
            price, _ = side.level(self._random.randrange(1, len(side)))
            kind = self._random.choices(("resize", "remove", "remove unseen", "add"), (50, 15, 5, 30))[0]
            if kind == "remove" and len(side) > THIN:
                self.book.set(side, price, 0)
            elif kind == "remove unseen":
                # The exchange often removes levels that were never published.
                self.book.set(side, self._beyond(side), 0)
            elif kind == "add" and len(side) < LEVELS:
                self.book.set(side, self._beyond(side), self._size())
            else:
                self.book.set(side, price, self._size())

    def _beyond(self, side: Side) -> int:
        return max(1, side.level(-1)[0] + side.sign * self._random.randrange(1, 10))


def _remember(history: list[Fill], item: Fill) -> None:
    history.append(item)
    if len(history) >= 2 * HISTORY:
        del history[:HISTORY]
