"""What a connection is told to do, in order: frames to send, and everything that can happen between two of them."""

from typing import NamedTuple

from collector.simulator.frames import Frame


class Control(NamedTuple):
    """Bytes that are no data: acks, pongs, the answer to a close."""

    wire: bytes


class Ping(NamedTuple):
    """A keep-alive; its payload is the time it leaves."""


class Note(NamedTuple):
    """A frame that is left out, told to the log only."""

    frame: Frame
    why: str


class Stall(NamedTuple):
    """Neither send nor heed anything for `secs` (None: until the connection ends); the socket stays open."""

    secs: float | None


class Half(NamedTuple):
    """The first half of a frame's bytes; nothing after it can be understood."""

    frame: Frame


class Close(NamedTuple):
    """A closing handshake."""

    code: int
    why: str


class Abort(NamedTuple):
    """A reset: no closing handshake, the peer reads ECONNRESET."""

    why: str


class Later(NamedTuple):
    """Something that goes to the end of the outbox `secs` from now."""

    secs: float
    item: Close


class End(NamedTuple):
    """The closing handshake is done."""


Item = Frame | Control | Ping | Note | Stall | Half | Close | Abort | Later | End
