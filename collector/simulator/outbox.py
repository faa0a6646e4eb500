"""Items that a connection carries out in order: frames to send, and everything that can happen between them."""

from typing import NamedTuple

from collector.simulator.frames import Frame


class Control(NamedTuple):
    """Bytes of a control message: acks, pongs, the reply to a close."""

    wire: bytes


class Ping(NamedTuple):
    """A keep-alive; its payload is the time of sending."""


class Note(NamedTuple):
    """A frame that is not sent, only logged."""

    frame: Frame
    why: str


class Stall(NamedTuple):
    """Neither send nor process anything for `secs` (None: until the connection ends); the socket stays open."""

    secs: float | None


class Half(NamedTuple):
    """Send only the first half of a frame's bytes; the client cannot parse anything after it."""

    frame: Frame


class Close(NamedTuple):
    """A closing handshake."""

    code: int
    why: str


class Abort(NamedTuple):
    """A reset: no closing handshake, the peer reads ECONNRESET."""

    why: str


class Later(NamedTuple):
    """An item to append to the outbox in `secs` seconds."""

    secs: float
    item: Close


class End(NamedTuple):
    """The closing handshake is done."""


Item = Frame | Control | Ping | Note | Stall | Half | Close | Abort | Later | End
