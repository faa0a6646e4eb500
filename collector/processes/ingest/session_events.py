"""What a session reports to its line reader, which acts on it."""

from typing import NamedTuple

from collector.domain.records import StreamKey


class Proven(NamedTuple):
    """The connection brought data, or answered for as long as a dead connection would be left open. Comes once."""


class TakenOver(NamedTuple):
    """The connection brings the streams of its plan: the one it replaces can be closed. Comes once."""

    awaited: frozenset[StreamKey]
    """Streams that it still does not bring, although they should have spoken; the time to wait for them is over."""


class RenewalDue(NamedTuple):
    """The connection will end soon: open its replacement. Comes once."""

    reason: str
    age_secs: float
    """Time since the connection opened."""


class StreamsOverdue(NamedTuple):
    """These streams are silent beyond their limits: a second connection may bring them. May come many times."""

    keys: frozenset[StreamKey]


class Unanswering(NamedTuple):
    """The connection does not answer a ping and may be dead: a second one may bring its streams. May come many times."""

    silent_secs: float
    """How long nothing was received."""


class SessionEnd(NamedTuple):
    """The connection is over. Comes last.

    `reason` is one word of: stopped, renewed, trial, silent, closed, lost, protocol, too_big; `text` is for people.
    """

    reason: str
    text: str
    alive_ns: int | None = None
    """Wall time of the last receive; None after the peer's close frame, which proves that nothing was on its way."""

    @property
    def cause(self) -> str:
        """The `cause` of the gap rows that follow, if any do."""
        return "restart" if self.reason == "stopped" else "disconnect"


SessionEvent = Proven | TakenOver | RenewalDue | StreamsOverdue | Unanswering | SessionEnd
