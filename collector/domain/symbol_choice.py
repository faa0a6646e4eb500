"""Which symbols of an exchange's list a feed records.

A feed's entries are exact symbols, patterns (`*` stands for any characters, `?` for one) and `top:N`, the N most traded of
the last 24 hours. What an exclusion matches is never chosen.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from typing import Final, NamedTuple

TOP: Final = "top:"
MAX_TOP: Final = 10_000

KEPT_US: Final = 86_400_000_000
"""A symbol of `top:N` stays until it was outside the top 2N for so long: ranks change by the hour, listings do not."""

DOUBTED_SECS: Final = 3_600.0
"""A list that lacks most of what is recorded is believed once lists have lacked it for so long."""


class Instrument(NamedTuple):
    """What a choice needs to know of an instrument."""

    symbol: str
    is_trading: bool
    volume: float | None
    """Traded value of the last 24 hours, comparable within the list; None if it is not known."""


class Wanted(NamedTuple):
    """A feed's entries and exclusions, as configured."""

    entries: tuple[str, ...]
    exclude: tuple[str, ...] = ()

    @property
    def exact(self) -> tuple[str, ...]:
        """The exact symbols: they are recorded whatever the list says."""
        return tuple(entry for entry in self.entries if is_exact(entry))

    @property
    def needs_list(self) -> bool:
        """Whether the symbols can only be known from the exchange's list."""
        return not all(map(is_exact, self.entries))

    @property
    def top(self) -> int:
        """The N of `top:N`, the largest if there are several; 0 if there is none."""
        return max((top_of(entry) or 0 for entry in self.entries), default=0)

    def may_bring(self, symbol: str) -> bool:
        """Whether the symbol may be chosen, whatever the list says."""
        return matcher(self.entries)(symbol) and not matcher(self.exclude)(symbol)


class Choice(NamedTuple):
    """The symbols that a feed records."""

    symbols: tuple[str, ...] = ()
    """In the order of the entries: exact ones as configured, then the others by name."""
    top: int = 0
    """The N that `ranked` was chosen by."""
    ranked: Mapping[str, int] = {}
    """Each symbol that `top:N` chose: since when it has been outside the top 2N (µs), or 0 while it is among them."""


def is_exact(entry: str) -> bool:
    """Whether an entry is a symbol as the exchange spells it."""
    return top_of(entry) is None and not is_pattern(entry)


def is_pattern(entry: str) -> bool:
    """Whether an entry stands for every symbol of a certain form."""
    return "*" in entry or "?" in entry


def top_of(entry: str) -> int | None:
    """The N of `top:N`, 0 if N is no whole number from 1 to `MAX_TOP`; None for any other entry."""
    if not entry.startswith(TOP):
        return None
    digits = entry.removeprefix(TOP)
    number = int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= len(str(MAX_TOP)) else 0
    return number if number <= MAX_TOP else 0


class Matcher(NamedTuple):
    """Tells whether a symbol is one of some entries; `top:N` may be any symbol."""

    exact: frozenset[str]
    pattern: re.Pattern[str]

    def __call__(self, symbol: str) -> bool:
        return symbol in self.exact or self.pattern.fullmatch(symbol) is not None


@cache
def matcher(entries: tuple[str, ...]) -> Matcher:
    """The matcher of these entries."""
    patterns = ["*" if top_of(entry) is not None else entry for entry in entries if not is_exact(entry)]
    parts = (re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".") for pattern in patterns)
    joined = "|".join(f"(?:{part})" for part in parts)
    # Without a pattern, one that matches nothing.
    return Matcher(frozenset(filter(is_exact, entries)), re.compile(joined or r"(?!)", re.DOTALL))


def overlap(one: Wanted, other: Wanted) -> tuple[str, str] | None:
    """An entry of each that may choose the same symbol, one of them not exact; None if there are none.

    Two that are not exact are taken for disjoint where one of the feeds excludes the other's entry as it is written.
    """
    pairs = (
        (mine, theirs)
        for mine in one.entries
        for theirs in other.entries
        if not (is_exact(mine) and is_exact(theirs)) and mine not in other.exclude and theirs not in one.exclude
    )
    return next((pair for pair in pairs if _may_meet(pair[0], one, pair[1], other)), None)


def _may_meet(mine: str, one: Wanted, theirs: str, other: Wanted) -> bool:
    if is_exact(mine):
        return matcher((theirs,))(mine) and not matcher(other.exclude)(mine)
    if is_exact(theirs):
        return _may_meet(theirs, other, mine, one)
    return _have_common(*("*" if top_of(entry) is not None else entry for entry in (mine, theirs)))


@cache
def _have_common(one: str, other: str) -> bool:
    """Whether some text matches both patterns."""
    if not one or not other:
        return not (one + other).strip("*")
    if one[0] == "*":
        return _have_common(one[1:], other) or _have_common(one, other[1:])
    if other[0] == "*":
        return _have_common(other, one)
    return (one[0] == other[0] or "?" in {one[0], other[0]}) and _have_common(one[1:], other[1:])


def choose(wanted: Wanted, instruments: Iterable[Instrument], previous: Choice, now_us: int) -> Choice | None:
    """The symbols to record by this list, where `previous` are recorded now.

    Only symbols that trade are chosen, but for exact ones. None if the list cannot tell: it has no instrument that trades,
    or `top:N` is wanted and no instrument's volume is known, nor what was chosen before.
    """
    excluded = matcher(wanted.exclude)
    trading = {each.symbol: each for each in instruments if each.is_trading and not excluded(each.symbol)}
    ranked = _ranked(wanted.top, list(trading.values()), previous, now_us)
    if not trading or (wanted.top and not ranked):
        return None
    patterns = matcher(tuple(filter(is_pattern, wanted.entries)))
    listed = sorted(symbol for symbol in trading if symbol in ranked or patterns(symbol))
    exact = [symbol for symbol in wanted.exact if not excluded(symbol)]
    return Choice(tuple(dict.fromkeys([*exact, *listed])), wanted.top, ranked)


def missing(instruments: Sequence[Instrument], recorded: Iterable[str]) -> frozenset[str]:
    """The recorded symbols that the list does not have; none if nothing trades by it, because such a list says nothing."""
    if not any(each.is_trading for each in instruments):
        return frozenset()
    return frozenset(recorded) - {each.symbol for each in instruments}


def with_awaited(instruments: Sequence[Instrument], symbols: Collection[str]) -> list[Instrument]:
    """The list, and as if they traded the symbols that it is the first to lack: the next one may have them again."""
    return [*instruments, *(Instrument(symbol, is_trading=True, volume=None) for symbol in sorted(symbols))]


def lost(wanted: Wanted, instruments: Iterable[Instrument], recorded: Iterable[str]) -> set[str]:
    """The symbols that are recorded because a list had them, and that do not trade by this list."""
    trading = {each.symbol for each in instruments if each.is_trading}
    return set(recorded) - trading - set(wanted.exact)


def is_doubtful(wanted: Wanted, lost_symbols: Collection[str], recorded: Collection[str]) -> bool:
    """Whether a list without these symbols is rather a faulty list than news: they are most of what lists brought."""
    return 2 * len(lost_symbols) > len(set(recorded) - set(wanted.exact))


def beside(wanted: Wanted, choice: Choice, previous: Choice) -> Choice:
    """What a doubtful list changes: its symbols by pattern join, none leaves, and its ranks count for nothing."""
    patterns = matcher(tuple(filter(is_pattern, wanted.entries)))
    listed = {symbol for symbol in choice.symbols if patterns(symbol)} | set(previous.symbols)
    return previous._replace(symbols=tuple(dict.fromkeys([*wanted.exact, *sorted(listed)])))


def _ranked(top: int, trading: Sequence[Instrument], previous: Choice, now_us: int) -> dict[str, int]:
    by_volume = sorted((-each.volume, each.symbol) for each in trading if each.volume is not None)
    names = [symbol for _, symbol in by_volume]
    known = previous.ranked if previous.top == top else {}
    kept = {each.symbol: known[each.symbol] for each in trading if each.symbol in known}
    if not names:
        return kept
    return {**_still(kept, frozenset(names[: 2 * top]), now_us), **dict.fromkeys(names[:top], 0)}


def _still(kept: Mapping[str, int], near: Collection[str], now_us: int) -> dict[str, int]:
    """Those that have not been away from `near` for too long."""
    # A time in the future was noted before the clock was set back.
    since = {symbol: 0 if symbol in near else min(since_us or now_us, now_us) for symbol, since_us in kept.items()}
    return {symbol: since_us for symbol, since_us in since.items() if not since_us or now_us - since_us < KEPT_US}
