"""What the answers of NATS servers mean. Pure.

Source of the codes: https://github.com/nats-io/nats-server/blob/main/server/errors.json
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from collector.bus.bus import BusError, ChangedError, FullError, MissingError

OTHER_SETTINGS: Final = 10_058
"""There is such a stream already, with other settings."""

_NO_STREAM: Final = 10_059
_NO_CONSUMER: Final = 10_014
_NO_MESSAGE: Final = 10_037
_FULL: Final = {10_047, 10_077}
"""No disk space left for streams; more than the stream's `max_bytes`."""

_CHANGED: Final = {10_071, 10_164}
"""The newest message of the subject is another one than was expected."""

_NOBODY: Final = "503"
_NOTHING_NOW: Final = {"404", "408", "409"}
"""A request for messages has ended, with fewer of them than it asked for."""

_REPLY_PARTS: Final = 9


class ApiError(BusError):
    """A server refused; `code` is the error's number."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


class NoMessageError(BusError):
    """There is no such message in the stream."""


def answer_of(data: bytes, status: str = "") -> dict[str, Any]:
    """The JSON object that a server answered; `status` is that of the message's headers. Raises BusError."""
    if status == _NOBODY:
        raise BusError("no NATS server answers for JetStream: it is off, or too few of the servers run")
    try:
        answer = msgspec.json.decode(data, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise BusError(f"the NATS server's answer cannot be read: {error}") from error
    refusal = answer.get("error")
    if refusal is not None:
        raise _error_of(refusal)
    return answer


def stored_at(data: bytes, status: str = "") -> int:
    """The sequence that a message got, by the answer of the server. Raises BusError."""
    if status == _NOBODY:
        raise MissingError("no NATS server has this stream")
    return int(answer_of(data)["seq"])


def _error_of(error: dict[str, Any]) -> BusError:
    code, text = int(error.get("err_code", 0)), str(error.get("description", "unknown error"))
    if code in {_NO_STREAM, _NO_CONSUMER}:
        return MissingError(text)
    if code == _NO_MESSAGE:
        return NoMessageError(text)
    if code in _CHANGED:
        return ChangedError(text)
    return FullError(text) if code in _FULL else ApiError(text, code)


class Delivery:
    """Whether the messages of a consumer come without a gap, and how many were asked for and have not come."""

    def __init__(self) -> None:
        self.wanted = 0
        """Messages that were asked for and may still come."""
        self.behind = -1
        """Messages that stood behind the last one in the stream; -1 before the first."""
        self._delivered = 0

    def ended(self, status: str, headers: Mapping[str, str]) -> None:
        """A request ended without all of its messages. Raises BusError if none will come for any request."""
        if status not in _NOTHING_NOW:
            raise MissingError(f"the reader of a stream is gone: {headers.get('Description') or status}")
        if status == "409" and "Consumer" in headers.get("Description", ""):
            raise MissingError(f"the reader of a stream is gone: {headers['Description']}")
        self.wanted = max(0, self.wanted - int(headers.get("Nats-Pending-Messages", self.wanted)))

    def arrived(self, reply: str) -> int:
        """The sequence of a message, by the subject that it would be acknowledged at. Raises BusError after a gap."""
        parts = reply.split(".")
        if len(parts) < _REPLY_PARTS:
            raise BusError("a message without its place in the stream")
        sequence, delivered, behind = int(parts[-4]), int(parts[-3]), int(parts[-1])
        if len(parts) > _REPLY_PARTS:  # with domain and account before, and a token behind
            sequence, delivered, behind = int(parts[7]), int(parts[8]), int(parts[10])
        if delivered != self._delivered + 1:
            raise BusError("messages of a stream were lost on their way")
        self._delivered, self.behind = delivered, behind
        self.wanted = max(0, self.wanted - 1)
        return sequence


def stored_ns(reply: str) -> int:
    """When the servers stored a message, by the subject that it would be acknowledged at, which has its place, too."""
    parts = reply.split(".")
    return int(parts[9] if len(parts) > _REPLY_PARTS else parts[-2])
