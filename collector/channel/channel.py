"""The contract between processes: small notices that may be lost. A notice is a wake-up, never a fact."""

from typing import Final, NamedTuple, Protocol

ALIVE: Final = "alive"


class Notice(NamedTuple):
    """Word that there is something new: who says so, what kind of thing, and how far.

    Kinds: `appended` (ingest: journal `number` has bytes up to `position`), `sealed` (writer: a segment was sealed),
    `asked` (writer: requests wait for repair), `alive` (all, for the supervisor alone: `number` is 1 while the sender
    waits for the disk, else 0).
    """

    sender: str
    kind: str
    number: int
    position: int


class Sender(Protocol):
    """The sending end. Never blocks."""

    def offer(self, notice: Notice) -> None:
        """Send now or keep as the one to send next; a newer notice replaces a kept one."""
        ...


class Receiver(Protocol):
    """The receiving end."""

    def wait(self, timeout_secs: float) -> Notice | None:
        """The newest notice, or None when none came in time."""
        ...
