"""What two programs tell each other while one takes over a data directory from the other: lines of JSON over a socket pair.

The earlier program starts the later one and gives it one end. Whoever finds the other end closed knows that the other one
has ended: nothing else says so as surely, whatever killed it.
"""

import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import msgspec

_READ_BYTES: Final = 1 << 16


class Message(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The base of all messages. A field that the reader does not know is ignored; one that is missing has its default."""


class Hello(Message, frozen=True, kw_only=True):
    """The first message of the earlier program."""

    version: str
    data_dir: str
    run_id: str
    request_id: str
    """Which request in `run/control` this answers."""
    config_number: int
    """The configuration to work by, as `config/handed_on.py` keeps it."""
    formats: dict[str, int]
    """The newest version of each stored format that it can read."""
    lock: list[int]
    """Descriptors that hold the data directory's lock."""
    first_connections: dict[str, int]
    """By ingest: from which number on the connections of its counterpart are counted."""
    log_file: str = ""
    """Empty if it logs to standard output."""
    stop_after_secs: float | None = None
    """In how long to stop; None if that is left to a signal."""


class Here(Message, frozen=True, kw_only=True):
    """The first message of the later program."""

    version: str
    raised: list[str] = []
    """Stored formats of which it writes a version that the earlier one cannot read."""


class Alive(Message, frozen=True, kw_only=True):
    """The later program is at work; sent about once a second."""

    waits_for: str = ""
    """What it waits for, for people."""
    told_to_stop: bool = False
    """Whether a signal told it to stop."""


class Connected(Message, frozen=True, kw_only=True):
    """All its ingests have connected: the earlier program's other processes may leave."""


class Yours(Message, frozen=True, kw_only=True):
    """They have left: the later program's may start."""


class Stored(Message, frozen=True, kw_only=True):
    """Its writer has committed."""


class Sound(Message, frozen=True, kw_only=True):
    """It brings every stream, and all its processes have stood for long enough: the earlier ingests may leave."""


class Failed(Message, frozen=True, kw_only=True):
    """It gives up."""

    reason: str


class Gone(Message, frozen=True, kw_only=True):
    """All processes of the earlier program have left. Its counts are in the files of `handed_counts`."""

    stop: bool = False
    """Whether it was told to stop meanwhile, which is up to the later program now."""
    notes: list[str] = []
    """What has happened, for whoever asked."""


Any = Hello | Here | Alive | Connected | Yours | Stored | Sound | Failed | Gone


class Link:
    """One end. Nothing here waits."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._end = end
        self._read = b""
        self._unsent = b""
        self.is_closed = False
        """Whether the other program has ended, or speaks no language of this one."""

    @classmethod
    def pair(cls) -> tuple["Link", socket.socket]:
        """The end of this program, and the one to be inherited by the other."""
        ours, theirs = socket.socketpair()
        return cls(ours), theirs

    @classmethod
    def inherited(cls, descriptor: int) -> "Link":
        """The end that this program was given. Raises OSError."""
        os.set_inheritable(descriptor, False)
        return cls(socket.socket(fileno=descriptor))

    def fileno(self) -> int:
        """The descriptor that is readable once the other program has said something, or ended."""
        return self._end.fileno()

    def send(self, message: Any) -> None:
        """Send now, or with the next call."""
        self._unsent += msgspec.json.encode(message) + b"\n"
        with suppress(OSError):  # full: the rest goes with the next call; closed: `receive` finds out
            sent = self._end.send(self._unsent, socket.MSG_NOSIGNAL)
            self._unsent = self._unsent[sent:]

    def receive(self) -> Sequence[Any]:
        """What the other program has said since the last call."""
        while not self.is_closed:
            try:
                data = self._end.recv(_READ_BYTES)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            self._read += data
            self.is_closed = not data
        *lines, self._read = self._read.split(b"\n")
        try:
            return [msgspec.json.decode(line, type=Any) for line in lines]
        except msgspec.MsgspecError:
            self.is_closed = True
            return []

    def close(self) -> None:
        """Close this end."""
        self._end.close()
