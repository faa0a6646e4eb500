"""What all connections have in common: the terms they are held to, and the counts they add up."""

from collections import Counter
from dataclasses import dataclass, field

from collector.simulator.socket_writer import Stalls


@dataclass
class Tally:
    """Counts over all connections since the start."""

    connections: int = 0
    sent: Counter[str] = field(default_factory=Counter)
    dropped: int = 0
    stalls: Stalls = field(default_factory=Stalls)


@dataclass(frozen=True)
class ConnectionSettings:
    """What holds for every connection."""

    ping_interval_secs: float
    pong_timeout_secs: float
    any_dialect: bool
    """Clients may speak another exchange's language: everything goes to everyone, what they say is only logged."""
