"""The plans of a feed by number, and how they change when symbols join and leave. No I/O."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from collector.config import FeedConfig
from collector.domain.records import StreamKey
from collector.exchanges.adapter import Adapter, ConnectionPlan, Subscription
from collector.storage.journal.format import FeedIdentity, PlanShare

_LIFETIMES: Final = 2.0
"""For so many lifetimes of a connection there may be frames of a symbol that has left: the first connection without it
replaces the last one with it within one."""

MOST_LATER: Final = 4
"""So many plans of listings that came while recording have connections of their own; further ones share these."""


class PlanChange(NamedTuple):
    """What joins and leaves. A plan keeps its number and all other streams, so their connections go on."""

    symbols: tuple[str, ...]
    """What is recorded from here on."""
    joined: dict[int, ConnectionPlan]
    """New plans, for the symbols that join."""
    narrowed: dict[int, ConnectionPlan | None]
    """Plans that lose streams; None if they lose all."""
    widened: dict[int, ConnectionPlan]
    """Plans of earlier listings that get more streams, so their connections are renewed."""
    left: frozenset[StreamKey]
    """The streams that leave."""


class FeedPlans:
    """The plans of one incarnation of ingest."""

    def __init__(self, adapter: Adapter, feed: FeedConfig, symbols: tuple[str, ...]) -> None:
        self._adapter = adapter
        self._feed = feed
        self.symbols = symbols
        """What is recorded now."""
        self._left_at: dict[str, float] = {}
        self.numbered = dict(enumerate(self._plan(symbols)))
        self._first_later = len(self.numbered)
        """The first ones are numbered as the adapter divides the streams."""

    def returning(self, symbols: Iterable[str]) -> frozenset[StreamKey]:
        """Those of the streams of these symbols that left, and that an old connection may still bring."""
        return frozenset(self._feed.streams(symbol for symbol in symbols if symbol in self._left_at))

    def change(self, symbols: tuple[str, ...], first_number: int) -> PlanChange:
        """How to record these symbols from now on; new plans are numbered from `first_number`. `take` makes it so."""
        joined = [symbol for symbol in symbols if symbol not in set(self.symbols)]
        wanted = frozenset(symbols)
        narrowed: dict[int, ConnectionPlan | None] = {}
        left: set[StreamKey] = set()
        for number, plan in self.numbered.items():
            kept = [key for key in plan.keys if key.symbol in wanted]
            if len(kept) < plan.streams:
                narrowed[number] = self._adapter.connection(kept, self._feed.ws_url) if kept else None
                left.update(key for key in plan.keys if key.symbol not in wanted)
        new, widened = self._with_room(self._plan(joined), narrowed)
        return PlanChange(symbols, dict(enumerate(new, first_number)), narrowed, widened, frozenset(left))

    def _with_room(
        self, new: list[ConnectionPlan], narrowed: Mapping[int, ConnectionPlan | None]
    ) -> tuple[list[ConnectionPlan], dict[int, ConnectionPlan]]:
        """Once there are many plans of listings, add new streams to one of them: connections are limited. Returns what stays
        new, and what is widened.
        """
        later = {number: plan for number, plan in self.numbered.items() if number >= self._first_later}
        later = {number: plan for number, plan in later.items() if number not in narrowed}
        widened: dict[int, ConnectionPlan] = {}
        alone: list[ConnectionPlan] = []
        for plan in new:
            number = None if len(later) < MOST_LATER else self._fitting(plan, {**later, **widened})
            if number is None:
                alone.append(plan)
            else:
                widened[number] = self._together({**later, **widened}[number], plan)[0]
        return alone, widened

    def _fitting(self, new: ConnectionPlan, known: Mapping[int, ConnectionPlan]) -> int | None:
        """The plan with the fewest streams, if one connection can carry those and the new ones."""
        types = _types(new)
        fitting = [number for number, plan in known.items() if _types(plan) == types]
        number = min(fitting, key=lambda number: known[number].streams, default=None)
        return number if number is not None and len(self._together(known[number], new)) == 1 else None

    def _together(self, one: ConnectionPlan, other: ConnectionPlan) -> list[ConnectionPlan]:
        symbols = dict.fromkeys(key.symbol for plan in (one, other) for key in plan.keys)
        return self._adapter.plan(Subscription(tuple(symbols), _types(one)), self._feed.ws_url)

    def identity(self, change: PlanChange, now: float) -> FeedIdentity:
        """What the journal has to say from that change on; `now` is monotonic, in seconds."""
        lifetime_secs = self._adapter.limits.lifetime_secs
        known = {**self._left_at, **dict.fromkeys((key.symbol for key in change.left), now)}
        late = [symbol for symbol, left_at in known.items() if now - left_at < _LIFETIMES * lifetime_secs]
        symbols = tuple(dict.fromkeys([*change.symbols, *sorted(late)]))
        shares = tuple(share for number, plan in self._after(change) for share in _shares(number, plan.keys))
        # Without any share the adapter's own division would hold.
        shares = shares or (PlanShare(0, (), ()),)
        return FeedIdentity(self._feed.name, self._feed.exchange, symbols, tuple(self._feed.data_types), shares)

    def take(self, change: PlanChange, now: float) -> None:
        """Record what the change says; `now` is monotonic, in seconds."""
        self.numbered = dict(self._after(change))
        self.symbols = change.symbols
        self._left_at |= dict.fromkeys((key.symbol for key in change.left), now)
        for symbol in change.symbols:
            self._left_at.pop(symbol, None)

    def _after(self, change: PlanChange) -> Iterator[tuple[int, ConnectionPlan]]:
        plans: dict[int, ConnectionPlan | None] = {
            **self.numbered,
            **change.narrowed,
            **change.widened,
            **change.joined,
        }
        return ((number, plan) for number, plan in plans.items() if plan is not None)

    def _plan(self, symbols: Iterable[str]) -> list[ConnectionPlan]:
        subscription = Subscription(tuple(symbols), tuple(self._feed.data_types))
        return self._adapter.plan(subscription, self._feed.ws_url) if subscription.symbols else []


def _types(plan: ConnectionPlan) -> tuple[str, ...]:
    return tuple(sorted({key.data_type for key in plan.keys}))


def _shares(number: int, keys: Iterable[StreamKey]) -> Iterator[PlanShare]:
    """The streams of a plan, those symbols together that have the same data types."""
    types_of: defaultdict[str, list[str]] = defaultdict(list)
    for key in keys:
        types_of[key.symbol].append(key.data_type)
    symbols_of: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for symbol, data_types in types_of.items():
        symbols_of[tuple(data_types)].append(symbol)
    for types, symbols in symbols_of.items():
        yield PlanShare(number, tuple(symbols), types)
