"""Reads one frame of a journal with its exchange's adapter. A bug in an adapter must not stop the recording."""

from collector.domain.errors import UndecodableError
from collector.exchanges.adapter import Adapter, Decode
from collector.exchanges.together import Outcome, outcome


def read_compressed(adapter: Adapter, decode: Decode, frame: bytes) -> tuple[bytes, Outcome]:
    """The text of a binary frame and what it gives; the frame itself where it holds no text."""
    try:
        text = adapter.inflate(frame)
    except UndecodableError as error:
        return frame, error
    except Exception as error:  # noqa: BLE001 -- a fault of the adapter costs this one frame
        return frame, UndecodableError(f"{type(error).__name__} in the adapter")
    return text, outcome(decode, text)


def ticket_of(adapter: Adapter, text: bytes) -> int | None:
    """The number of a frame; None if it has none that can be read."""
    try:
        return adapter.ticket(text)
    except Exception:  # noqa: BLE001 -- then the next frame's number shows that one is not accounted for
        return None


def is_control(adapter: Adapter, text: bytes) -> bool:
    """Whether a frame without messages is a control frame; else it is of a channel that nobody subscribed."""
    try:
        return adapter.control(text) is not None
    except Exception:  # noqa: BLE001 -- nothing is lost: the frame has no messages, and is only counted
        return False
