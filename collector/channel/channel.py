"""The contract of channels between processes. They carry small notices, which may be lost: wake-ups, never data."""

from typing import Final, NamedTuple, Protocol

ALIVE: Final = "alive"
CONFIG: Final = "config"
STOP: Final = "stop"

SPACING_SECS: Final = 1.0
"""How late the notice of a few appended bytes may come after an earlier one. The writer commits by time: what it reads this
much later it commits no later."""


class Notice(NamedTuple):
    """Tells another process that there is something new.

    Kinds: `appended` (ingest, repair: journal `number` has bytes up to `position`), `sealed` (writer: a segment was sealed), `archived` (archiver: one is in the store),
    `asked` (writer, ingest: requests wait for repair), `alive` (all, for the supervisor alone: `number` is 1 while the sender
    waits for the disk, else 0), `stop` (the supervisor: look at the stop Event), `config` (the supervisor: work by the
    configuration `number` from now on; see `config/handed_on.py`).
    """

    sender: str
    kind: str
    number: int
    position: int


class Sender(Protocol):
    """The sending end. No call blocks."""

    def offer(self, notice: Notice) -> None:
        """Send now, or keep the notice to be sent next, instead of one that was kept before."""
        ...


class Receiver(Protocol):
    """The receiving end."""

    def wait(self, timeout_secs: float) -> Notice | None:
        """The newest notice, or None if none comes within `timeout_secs`, or before a signal or `wake` ends the wait."""
        ...

    def wake(self) -> None:
        """End the present wait, or the next one if there is none now. For any thread."""
        ...

    def descriptors(self) -> tuple[int, ...]:
        """For whoever waits for more than this: one of them is readable while `wait` would return at once."""
        ...
