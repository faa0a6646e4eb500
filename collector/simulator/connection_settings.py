"""What all connections share: their settings and their totals."""

from collections import Counter
from dataclasses import dataclass, field

from collector.simulator.socket_writer import SendStalls


@dataclass
class Tally:
    """Totals over all connections since the start."""

    connections: int = 0
    sent: Counter[str] = field(default_factory=Counter)
    dropped: int = 0
    stalls: SendStalls = field(default_factory=SendStalls)


@dataclass(frozen=True)
class ConnectionSettings:
    """The settings of every connection."""

    ping_interval_secs: float
    pong_timeout_secs: float
    send_all_streams: bool
    """For replays of other exchanges: every client gets every frame, and its messages are only logged."""
