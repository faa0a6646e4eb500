"""Which symbols fewer, or more, edges receive than are to: worked out on every host from what the edges say. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from collector.processes.cluster.values import Member

MOST_NAMED: Final = 100
"""So many symbols are named; the others are counted."""


class Coverage(NamedTuple):
    """Feed and symbol of each, those named that come first by name."""

    uncovered: list[tuple[str, str]]
    uncovered_count: int
    overcovered: list[tuple[str, str]]
    overcovered_count: int


def coverage(symbols: Mapping[str, Sequence[str]], members: Mapping[str, Member], copies: int) -> Coverage:
    """By feed its symbols, by name the edges that are alive; each symbol is to come from `copies`, with 0 from all of them."""
    wanted = copies or max(1, len(members))
    found = Coverage([], 0, [], 0)
    under, over = list[tuple[str, str]](), list[tuple[str, str]]()
    for feed, symbol, count in _counts(symbols, members):
        if count < wanted:
            under.append((feed, symbol))
        elif count > wanted:
            over.append((feed, symbol))
    return found._replace(
        uncovered=under[:MOST_NAMED],
        uncovered_count=len(under),
        overcovered=over[:MOST_NAMED],
        overcovered_count=len(over),
    )


def _counts(symbols: Mapping[str, Sequence[str]], members: Mapping[str, Member]) -> Iterator[tuple[str, str, int]]:
    for feed in sorted(symbols):
        for symbol in sorted(symbols[feed]):
            yield feed, symbol, sum(member.brings(name, feed, symbol) for name, member in members.items())
