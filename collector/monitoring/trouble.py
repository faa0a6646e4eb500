"""How a rule of health says what is wrong. Pure."""

from collections.abc import Iterable
from typing import Final, NamedTuple

_NAMED: Final = 3
"""Processes or feeds a sentence names; the others are counted."""


class Trouble(NamedTuple):
    """A reason of ill health: `headline` in a few words that do not change from second to second, `text` in full."""

    headline: str
    text: str


def named(parts: Iterable[str]) -> str:
    """The first few of these, and how many more there are."""
    known = list(parts)
    more = f" and {len(known) - _NAMED} more" if len(known) > _NAMED else ""
    return ", ".join(known[:_NAMED]) + more
