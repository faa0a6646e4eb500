"""The rules of continuity: what a message's ids say against those before it. One object for each scheme.

A rule remembers nothing itself. What it needs of the messages before is a `Mark`: the caller keeps one for each series
(`Scope` says of what), and commits it with the rows. Redundant lines are merged and copies dropped before a rule is
asked. Which exchange numbers how: docs/ADD_AN_EXCHANGE.md.
"""

from abc import ABC, abstractmethod
from enum import Enum
from typing import Final, NamedTuple

import msgspec

from collector.domain.records import IdRule


class Ids(NamedTuple):
    """What a message says of its own place."""

    first: int
    """The first id it covers: `last`, where it covers one."""
    last: int
    previous: int | None = None
    """The id it names as the last before its own, where it names one."""


class Break(NamedTuple):
    """Where ids do not go on as they should: a row of the gap ledger, before it is known whose."""

    kind: str
    """sequence, out_of_order, reset or checksum."""
    expected: int | None
    actual: int | None
    missing: int | None
    """How many ids; None where that cannot be known, or nothing is."""


class Mark(msgspec.Struct, array_like=True):
    """Where a series stands."""

    last_id: int | None = None


class Scope(Enum):
    """What has a mark of its own."""

    STREAM = "stream"
    CONNECTION = "connection"
    """All streams of a connection count together; the count begins anew with the connection."""


class Rule(ABC):
    """Judges one scheme's ids."""

    scope: Scope = Scope.STREAM
    proves_continuity: bool = True
    """Whether a break is proof of loss, and no break proof of none."""

    @abstractmethod
    def judge(self, mark: Mark, ids: Ids) -> Break | None:
        """Say what is wrong with a message, and move the mark on; one that comes from behind leaves it where it is."""


class Contiguous(Rule):
    """A message covers the ids `first` to `last`, and the next one begins right behind.

    Spot diffs (`U` to `u`), trades and other dense ids (one id each), KuCoin's `sequenceStart` to `sequenceEnd`.
    """

    def judge(self, mark: Mark, ids: Ids) -> Break | None:
        last = mark.last_id
        if last is not None and ids.last <= last:
            return Break("out_of_order", last + 1, ids.first, None)
        mark.last_id = ids.last
        if last is None or ids.first <= last + 1:
            return None
        return Break("sequence", last + 1, ids.first, ids.first - last - 1)


class Counter(Contiguous):
    """Every frame of a connection counts one up, whatever it carries: Coinbase `sequence_num`, Bitfinex `SEQ_ALL`."""

    scope = Scope.CONNECTION


class Linked(Rule):
    """A message names the last one before it; how many ids lie between says nothing.

    Futures' diffs (`pu`), OKX (`prevSeqId`), Deribit (`prev_change_id`). One that names none, and one whose own id is
    below the one it names (OKX after maintenance), is where the exchange begins anew.
    """

    def judge(self, mark: Mark, ids: Ids) -> Break | None:
        last, previous = mark.last_id, ids.previous
        if previous is None or ids.last < previous:
            mark.last_id = ids.last
            return None if last is None else Break("reset", last, ids.last, None)
        if last is not None and ids.last <= last and previous != last:
            return Break("out_of_order", last, previous, None)
        mark.last_id = ids.last
        return None if last is None or previous <= last else Break("sequence", last, previous, None)


class Rising(Rule):
    """Ids only rise, in steps of any size: partial depth, best prices. Whether anything is missing cannot be known."""

    proves_continuity = False

    def judge(self, mark: Mark, ids: Ids) -> Break | None:
        last, mark.last_id = mark.last_id, ids.last
        return None if last is None or ids.last > last else Break("out_of_order", last, ids.last, None)


class Unverifiable(Rule):
    """No id, or none that means anything."""

    proves_continuity = False

    def judge(self, mark: Mark, ids: Ids) -> Break | None:  # noqa: ARG002 -- whatever they are
        return None


CONTIGUOUS: Final = Contiguous()
COUNTER: Final = Counter()
LINKED: Final = Linked()
RISING: Final = Rising()
UNVERIFIABLE: Final = Unverifiable()

RULES: Final[dict[IdRule, Rule]] = {
    IdRule.DENSE: CONTIGUOUS,
    IdRule.CHAINED: LINKED,
    IdRule.RISING: RISING,
    IdRule.NONE: UNVERIFIABLE,
}
"""The rule behind each word an adapter may use of a data type."""
