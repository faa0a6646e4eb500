"""Reads frames again that were not understood when they were received."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from collector.domain.errors import UndecodableError
from collector.domain.records import ROW_TYPES, Envelope, StreamKey
from collector.exchanges.adapter import Adapter, Conversation, Decode, Subscription
from collector.exchanges.together import Outcome, outcome
from collector.storage.staging.columns import message_batch
from collector.storage.staging.object_messages import of_rows
from collector.storage.staging.undecoded import untyped_reason

NO_REASON: Final = "no reason is known"
UNASKED: Final = "of a channel that this version knows and does not record"

_TYPE_OF_REASON: Final = {untyped_reason(data_type): data_type for data_type in ROW_TYPES}


class Again(NamedTuple):
    """What a frame gives now."""

    messages: list[Envelope]
    """None of them for a frame that has no market data: an answer, a heartbeat."""
    reason: str | None
    """Why it is still not understood; None if it is."""


class Frames:
    """Reads the frames of one exchange, each by itself."""

    def __init__(self, adapter: Adapter, symbols: Iterable[str]) -> None:
        """`symbols` are those whose messages are expected: frames of others stay as they are."""
        self._adapter = adapter
        # The archive does not say what was subscribed: everything that this version can read.
        self._subscription = Subscription(tuple(sorted(symbols)), tuple(adapter.id_rules))
        self._decode = adapter.decoder(self._subscription)
        self._untaught = self._decode.state() if isinstance(self._decode, Conversation) else b""

    def frame(self, frame: bytes) -> Again:
        """A frame of which nothing was known."""
        found = self._outcome(frame)
        if isinstance(found, UndecodableError):
            return Again([], str(found))
        if not found:
            return Again([], None if self._is_control(frame) else UNASKED)
        messages = [message for message in found if message.payload]
        for message in messages:
            if not self._has_row(message):
                return Again([], untyped_reason(message.stream.data_type))
        return Again(messages, None)

    def message(self, symbol: str, frame: bytes, reason: str | None, exchange_us: int | None) -> Again:
        """A message of a known symbol, which could not be typed; `reason` names its data type."""
        data_type = _TYPE_OF_REASON.get(reason or "")
        if data_type is None:
            return Again([], reason or NO_REASON)
        stream = StreamKey(self._adapter.exchange, symbol, data_type)
        message = Envelope(stream, None, None, exchange_us, frame)
        return Again([message], None) if self._has_row(message) else Again([], reason)

    def _outcome(self, frame: bytes) -> Outcome:
        found = outcome(self._fresh(), frame)
        if not isinstance(found, UndecodableError):
            return found
        try:
            # A compressed frame whose text was not found before is stored as it came.
            text = self._adapter.inflate(frame)
        except UndecodableError:
            return found
        return outcome(self._fresh(), text)

    def _fresh(self) -> Decode:
        """A decoder that no frame has taught anything: which connection brought a frame is not known."""
        if isinstance(self._decode, Conversation) and self._decode.state() != self._untaught:
            self._decode = self._adapter.decoder(self._subscription)
        return self._decode

    def _is_control(self, frame: bytes) -> bool:
        return self._adapter.control(frame) is not None

    def _has_row(self, message: Envelope) -> bool:
        one = of_rows([(0, 0, 0, 0, None, 0, message.payload)])
        return not message_batch(self._adapter, message.stream.data_type, one, keep_raw=False).untyped.number
