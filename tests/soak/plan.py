"""What is done to whom, and when: all of it follows from the seed."""

import random
from collections.abc import Sequence
from itertools import chain, cycle
from typing import Final, NamedTuple

SUPERVISOR: Final = "supervisor"
EVERYTHING: Final = "everything"
"""The supervisor and all its children at one blow, as when the machine's memory runs out."""

KILL: Final = "kill"
STOP_KILL: Final = "stop, kill"
STOP_CONTINUE: Final = "stop, continue"
TERM: Final = "term"
ACTIONS: Final = (KILL, STOP_KILL, STOP_CONTINUE, TERM)

HANG_TIMEOUT_SECS: Final = 12.0
"""Longer than a child takes to start on a busy machine."""

SHORT_HOLD_SECS: Final = (0.1, 3.0)
LONG_HOLD_SECS: Final = (HANG_TIMEOUT_SECS + 1, HANG_TIMEOUT_SECS + 3)
"""Long enough to be taken for dead."""
LONG_HOLDS: Final = 0.15
"""The share of the stops that are long."""

BURST: Final = (1, 8)
"""How many steps come together, so that they meet what those before have only just begun."""

BURST_SHARE: Final = 0.4
"""The share of the time that bursts take; in the rest the recorder can come back to itself."""


class Step(NamedTuple):
    """Do `action` to `target` (a role, SUPERVISOR or EVERYTHING); a stopped process stays so for `hold_secs`."""

    at_secs: float
    action: str
    target: str
    hold_secs: float

    @property
    def kills(self) -> bool:
        """Whether it ends in a SIGKILL."""
        return self.action in {KILL, STOP_KILL}


def plan(seed: int, roles: Sequence[str], kills: int, secs: float) -> list[Step]:
    """`kills` SIGKILLs, and in proportion the gentler things, in bursts at random moments of `secs`.

    Steps come from shuffled decks, so each target and action has its turn. Every other deck spares the supervisor: it
    then lives long enough to show what its children's deaths leave behind in it.
    """
    chance = random.Random(seed)
    whole, children = _deck(roles) + _supervisor_deck(), _deck(roles)
    cards = chain.from_iterable(chance.sample(deck, len(deck)) for deck in cycle((whole, children)))
    chosen: list[tuple[str, str]] = []
    while sum(action in {KILL, STOP_KILL} for action, _ in chosen) < kills:
        chosen.append(next(cards))
    return [
        Step(at_secs, action, target, _hold_secs(chance, action))
        for at_secs, (action, target) in zip(_moments(chance, len(chosen), secs), chosen, strict=True)
    ]


def _moments(chance: random.Random, count: int, secs: float) -> list[float]:
    """Times of `count` steps, in bursts."""
    sizes: list[int] = []
    while sum(sizes) < count:
        sizes.append(min(chance.randint(*BURST), count - sum(sizes)))
    window = secs / max(1, len(sizes))
    moments = [
        (burst + BURST_SHARE * chance.random()) * window for burst, size in enumerate(sizes) for _ in range(size)
    ]
    return sorted(moments)


def _deck(roles: Sequence[str]) -> list[tuple[str, str]]:
    actions = (KILL, KILL, KILL, STOP_KILL, STOP_CONTINUE, TERM)
    return [(action, role) for role in roles for action in actions]


def _supervisor_deck() -> list[tuple[str, str]]:
    alone = [(action, SUPERVISOR) for action in (KILL, KILL, STOP_KILL, STOP_CONTINUE, TERM)]
    return [*alone, (KILL, EVERYTHING), (KILL, EVERYTHING)]


def _hold_secs(chance: random.Random, action: str) -> float:
    if action in {KILL, TERM}:
        return 0.0
    long = action == STOP_CONTINUE and chance.random() < LONG_HOLDS
    return chance.uniform(*(LONG_HOLD_SECS if long else SHORT_HOLD_SECS))
