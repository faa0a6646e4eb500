"""Reads frames again that were not understood when they were received."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from collector.domain.errors import UndecodableError
from collector.domain.records import BACKFILLED_LINE, ROW_TYPES, Envelope, StreamKey
from collector.exchanges.adapter import Adapter, Conversation, Decode, Subscription
from collector.exchanges.together import Outcome, outcome
from collector.reprocess.answers import read_answer
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
    line: int | None = None
    series: int | None = None
    """Those that its messages are stored under; None: those of the frame."""


class Stored(NamedTuple):
    """A message that could not be typed, as it is stored."""

    frame: bytes
    reason: str | None
    exchange_us: int | None


class Frames:
    """Reads the frames of one exchange, each by itself."""

    def __init__(self, adapter: Adapter, symbols: Iterable[str]) -> None:
        """`symbols` are those whose messages are expected: frames of others stay as they are."""
        self._adapter = adapter
        # The archive does not say what was subscribed: everything that this version can read.
        self._subscription = Subscription(tuple(sorted(symbols)), tuple(adapter.id_rules))
        self._decode = adapter.decoder(self._subscription)
        self._untaught = self._decode.state() if isinstance(self._decode, Conversation) else b""

    def frames(self, frames: Iterable[bytes], lines: Iterable[int]) -> list[Again]:
        """Frames of which nothing was known. One of which a message cannot be typed is not understood."""
        return self._with_rows(
            [
                self._answer(frame) if line == BACKFILLED_LINE else self._frame(frame)
                for frame, line in zip(frames, lines, strict=True)
            ]
        )

    def messages(self, symbol: str, stored: Sequence[Stored]) -> list[Again]:
        """Messages of a known symbol, which could not be typed; their reasons name their data types."""
        return self._with_rows([self._message(symbol, *one) for one in stored])

    def _frame(self, frame: bytes) -> Again:
        found = self._outcome(frame)
        if isinstance(found, UndecodableError):
            return Again([], str(found))
        if not found:
            return Again([], None if self._is_control(frame) else UNASKED)
        return Again([message for message in found if message.payload], None)

    def _answer(self, frame: bytes) -> Again:
        try:
            messages, line, series = read_answer(self._adapter, frame)
        except UndecodableError as error:
            return Again([], str(error))
        return Again(messages, None, line, series)

    def _message(self, symbol: str, frame: bytes, reason: str | None, exchange_us: int | None) -> Again:
        data_type = _TYPE_OF_REASON.get(reason or "")
        if data_type is None:
            return Again([], reason or NO_REASON)
        return Again(
            [Envelope(StreamKey(self._adapter.exchange, symbol, data_type), None, None, exchange_us, frame)], None
        )

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

    def _with_rows(self, frames: list[Again]) -> list[Again]:
        """The same, without frames that have a message that cannot be typed."""
        places: dict[str, list[tuple[int, bytes]]] = {}
        for index, frame in enumerate(frames):
            for message in frame.messages:
                places.setdefault(message.stream.data_type, []).append((index, message.payload))
        for data_type, found in places.items():
            messages = of_rows([(0, 0, index, 0, None, 0, payload) for index, payload in found])
            for index in message_batch(self._adapter, data_type, messages, keep_raw=False).untyped.rows:
                frames[index] = Again([], untyped_reason(data_type))
        return frames
