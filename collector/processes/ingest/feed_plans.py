"""The plans of a feed by number, and how they change when streams join and leave. No I/O."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from msgspec.structs import replace

from collector.config import FeedConfig
from collector.domain.records import StreamKey
from collector.exchanges.adapter import Adapter, ConnectionPlan, Subscription
from collector.storage.journal.format import FeedIdentity, PlanShare

_LIFETIMES: Final = 2.0
"""For so many lifetimes of a connection there may be frames of a stream that has left: the first connection without it
replaces the last one with it within one."""

MOST_LATER: Final = 4
"""So many plans of streams that joined while recording have connections of their own; further ones share these."""

_Keys = Sequence[StreamKey]


class Selection(NamedTuple):
    """What a feed is to record, and where."""

    subscription: Subscription
    ws_url: str
    held: frozenset[StreamKey] = frozenset()
    """Streams of the subscription that have to wait, because an old connection still brings them."""


class Returning(NamedTuple):
    """Streams that an old connection may still bring; a second one would bring copies."""

    held: frozenset[StreamKey]
    """What has to wait."""
    left: frozenset[StreamKey]
    """What that connection was made for: the same streams, or such as come with them."""


class PlanChange(NamedTuple):
    """What joins and leaves. A plan keeps its number and all other streams."""

    selection: Selection
    """What is recorded from here on."""
    joined: dict[int, ConnectionPlan]
    """New plans, for streams that join."""
    narrowed: dict[int, ConnectionPlan | None]
    """Plans that only lose streams, so their connections go on; None if they lose all."""
    renewed: dict[int, ConnectionPlan]
    """Plans that get more streams, or another address, so their connections are renewed."""
    left: frozenset[StreamKey]
    """The streams that leave."""


class FeedPlans:
    """The plans of one incarnation of ingest."""

    def __init__(self, adapter: Adapter, feed: FeedConfig, symbols: tuple[str, ...]) -> None:
        self._adapter = adapter
        self._feed = feed
        subscription = Subscription(symbols, feed.data_types)
        self.selection = Selection(subscription, feed.ws_url)
        """What is recorded now."""
        self.numbered = dict(enumerate(adapter.plan(subscription, feed.ws_url) if symbols else []))
        self._first_later = len(self.numbered)
        """The first ones are numbered as the adapter divides the streams."""
        self._left_at: dict[StreamKey, float] = {}

    @classmethod
    def continued(cls, adapter: Adapter, feed: FeedConfig, identity: FeedIdentity) -> "FeedPlans":
        """Those of another incarnation, as its journal's head says: each plan has the same number and streams."""
        feed = replace(feed, data_types=identity.data_types)
        if not identity.shares:
            return cls(adapter, feed, identity.symbols)
        keys_of: defaultdict[int, list[StreamKey]] = defaultdict(list)
        for plan, symbols, data_types in identity.shares:
            keys_of[plan] += (StreamKey(feed.exchange, symbol, kind) for symbol in symbols for kind in data_types)
        carried = {key.symbol for keys in keys_of.values() for key in keys}
        plans = cls(adapter, feed, tuple(symbol for symbol in identity.symbols if symbol in carried))
        plans.numbered = {number: adapter.connection(keys, feed.ws_url) for number, keys in keys_of.items() if keys}
        return plans

    def returning(self, subscription: Subscription) -> Returning:
        """Which streams of this subscription an old connection may still bring."""
        carried = self.carried()
        joining = [key for key in self._keys(subscription) if key not in carried] if self._left_at else []
        if not joining:
            return Returning(frozenset(), frozenset())
        left = {key: self._topic(key) for key in self._left_at}
        # With a topic that a plan still carries they join that plan, and its connections are told apart.
        known = set(left.values()).difference(map(self._topic, carried))
        held = {key: topic for key in joining if (topic := self._topic(key)) in known}
        topics = set(held.values())
        return Returning(frozenset(held), frozenset(key for key, topic in left.items() if topic in topics))

    def change(self, selection: Selection, first_number: int) -> PlanChange:
        """How to record this from now on; new plans are numbered from `first_number`. `take` makes it so."""
        ws_url = selection.ws_url
        wanted = dict.fromkeys(self._keys(selection.subscription))
        kept = {number: [key for key in plan.keys if key in wanted] for number, plan in self.numbered.items()}
        after, new = self._joined_by(kept, [key for key in wanted if key not in selection.held])
        is_moved = ws_url != self.selection.ws_url
        plans = {number: self._adapter.connection(keys, ws_url) if keys else None for number, keys in after.items()}
        renewed = {
            number: plan for number, plan in plans.items() if plan and (is_moved or plan.streams > len(kept[number]))
        }
        narrowed = {
            number: plan
            for number, plan in plans.items()
            if number not in renewed and len(kept[number]) < self.numbered[number].streams
        }
        joined = {number: self._adapter.connection(keys, ws_url) for number, keys in enumerate(new, first_number)}
        left = frozenset(key for plan in self.numbered.values() for key in plan.keys if key not in wanted)
        return PlanChange(selection, joined, narrowed, renewed, left)

    def end(self) -> PlanChange:
        """How to record nothing any more."""
        selection = Selection(Subscription((), self.selection.subscription.data_types), self.selection.ws_url)
        return PlanChange(selection, {}, dict.fromkeys(self.numbered), {}, frozenset(self.carried()))

    def _keys(self, subscription: Subscription) -> list[StreamKey]:
        return [key for share in self._adapter.shares(subscription) for key in share]

    def carried(self) -> set[StreamKey]:
        """The streams of all plans."""
        return {key for plan in self.numbered.values() for key in plan.keys}

    def _joined_by(self, kept: Mapping[int, _Keys], wanted: _Keys) -> tuple[dict[int, _Keys], list[_Keys]]:
        """What each plan carries, and what new ones do, once those of the streams that no plan has are taken up."""
        carried = {key for keys in kept.values() for key in keys}
        joining = [key for key in wanted if key not in carried]
        if not joining:
            return dict(kept), []
        # Also where a stream leaves in whose topic another one comes: its connection still brings both.
        number_of = self._by_topic({number: plan.keys for number, plan in self.numbered.items()}, joining)
        after, rest = _added(kept, joining, number_of)
        new: dict[int, _Keys] = {}
        for _, symbols, data_types in _shares(0, rest):
            for share in self._adapter.shares(Subscription(symbols, data_types)):
                new, alone = _added(new, share, self._by_topic(new, share))
                new |= {len(new): alone} if alone else {}
        return self._with_room(after, kept, new.values())

    def _by_topic(self, known: Mapping[int, _Keys], joining: _Keys) -> dict[StreamKey, int]:
        """Where streams come with what is subscribed anyway: a second connection with it would bring copies."""
        plan_of = {self._topic(key): number for number, keys in known.items() for key in keys}
        return {key: plan_of[topic] for key in joining if (topic := self._topic(key)) in plan_of}

    def _topic(self, key: StreamKey) -> object:
        """The same for streams that come with one subscription: connections for either alone would be the same."""
        plan = self._adapter.connection((key,), "")
        return plan.url, plan.requests

    def _with_room(
        self, after: dict[int, _Keys], kept: Mapping[int, _Keys], new: Iterable[_Keys]
    ) -> tuple[dict[int, _Keys], list[_Keys]]:
        """Once there are many later plans, add what is new to one of them: connections are limited."""
        later = [number for number, plan in self.numbered.items() if number >= self._first_later]
        later = [number for number in later if len(kept[number]) == self.numbered[number].streams]
        alone: list[_Keys] = []
        for keys in new:
            fitting = (
                None if len(later) < MOST_LATER else self._fitting(keys, {number: after[number] for number in later})
            )
            if fitting is None:
                alone.append(keys)
            else:
                after[fitting] = [*after[fitting], *keys]
        return after, alone

    def _fitting(self, new: _Keys, later: Mapping[int, _Keys]) -> int | None:
        """The plan with the fewest streams, if one connection can carry those and the new ones."""
        types = _types(new)
        fitting = [number for number, keys in later.items() if _types(keys) == types]
        number = min(fitting, key=lambda number: len(later[number]), default=None)
        if number is None:
            return None
        together = [*later[number], *new]
        shares = self._adapter.shares(Subscription(tuple(dict.fromkeys(key.symbol for key in together)), types))
        return number if len(shares) == 1 and set(shares[0]) == set(together) else None

    def identity(self, change: PlanChange, now: float) -> FeedIdentity:
        """What the journal has to say from that change on; `now` is monotonic, in seconds.

        Of a data type that left nothing more is to be read, of a symbol that left whatever still comes.
        """
        symbols, data_types = change.selection.subscription
        late = sorted({key.symbol for key in self._left_after(change, now)})
        shares = tuple(share for number, plan in self._after(change) for share in _shares(number, plan.keys))
        # Without any share the adapter's own division would hold.
        shares = shares or (PlanShare(0, (), ()),)
        feed = self._feed
        return FeedIdentity(feed.name, feed.exchange, tuple(dict.fromkeys([*symbols, *late])), data_types, shares)

    def take(self, change: PlanChange, now: float) -> None:
        """Record what the change says; `now` is monotonic, in seconds."""
        self._left_at = self._left_after(change, now)
        self.numbered = dict(self._after(change))
        self.selection = change.selection

    def _left_after(self, change: PlanChange, now: float) -> dict[StreamKey, float]:
        """The streams that left and may still come, and when they left."""
        lifetimes_secs = _LIFETIMES * self._adapter.limits.lifetime_secs
        left_at = {**self._left_at, **dict.fromkeys(change.left, now)}
        carried = {key for _, plan in self._after(change) for key in plan.keys}
        return {key: at for key, at in left_at.items() if key not in carried and now - at < lifetimes_secs}

    def _after(self, change: PlanChange) -> Iterator[tuple[int, ConnectionPlan]]:
        plans: dict[int, ConnectionPlan | None] = {
            **self.numbered,
            **change.narrowed,
            **change.renewed,
            **change.joined,
        }
        return ((number, plan) for number, plan in plans.items() if plan is not None)


def _added(
    known: Mapping[int, _Keys], joining: _Keys, number_of: Mapping[StreamKey, int]
) -> tuple[dict[int, _Keys], _Keys]:
    """What each plan carries with those that join it, and what joins none."""
    after = {
        number: [*keys, *(key for key in joining if number_of.get(key) == number)] for number, keys in known.items()
    }
    return dict(after), [key for key in joining if key not in number_of]


def _types(keys: Iterable[StreamKey]) -> tuple[str, ...]:
    return tuple(sorted({key.data_type for key in keys}))


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
