"""Messages that repair got by polling: which of them are stored."""

from collections.abc import Callable
from hashlib import blake2b
from typing import Final

from collector.domain.errors import UndecodableError
from collector.domain.records import INSTRUMENT, Envelope, IdRule, StreamKey
from collector.domain.repair_protocol import RepairAnswer
from collector.exchanges.adapter import Adapter
from collector.processes.rest_adapters import read_response
from collector.processes.writer.streams import StreamState, StreamTable

POLLED_LINE: Final = 0
"""The line of polled rows."""


class PolledRows:
    """Adds the streams that only polls bring, each under the name of repair's journal instead of a feed's: connections have no
    part in it, so neither their ends nor silence make gap rows of it.
    """

    def __init__(self, streams: StreamTable, first_message: Callable[[StreamState, int], None]) -> None:
        """`first_message` is told of a new stream, and when its first message was received."""
        self._streams = streams
        self._first_message = first_message

    def take(
        self, adapter: Adapter, journal: str, answer: RepairAnswer, body: bytes, received_us: int
    ) -> tuple[StreamState, Envelope] | None:
        """The message in a polled answer, and its stream; None if the answer holds none.

        Raises UndecodableError before anything has changed.
        """
        key = StreamKey(adapter.exchange, answer.symbol, answer.data_type)
        message = _read(adapter, key, body)
        if message is None:
            return None
        stream = self._streams.get(key)
        if stream is None:
            stream = self._streams.add(key, journal, IdRule.NONE)
            self._first_message(stream, received_us)
        self._streams.move(stream, journal)
        # The stream may be silent for some of its intervals, from its first message on.
        stream.silence_limit.note(answer.every_secs)
        return stream, message

    def is_new(self, stream: StreamState, payload: bytes) -> bool:
        """Whether a message is to be stored: always, but for an instrument that is listed as before."""
        if stream.key.data_type != INSTRUMENT:
            return True
        progress, digest = stream.dedup.progress, int.from_bytes(blake2b(payload, digest_size=7).digest())
        is_new, progress.content = progress.content != digest, digest
        return is_new


def _read(adapter: Adapter, key: StreamKey, body: bytes) -> Envelope | None:
    rest = adapter.rest
    if rest is None or key.data_type not in adapter.id_rules:
        raise UndecodableError(f"{key.data_type!a} cannot be polled")
    if key.data_type != INSTRUMENT:
        return read_response(lambda: rest.read_poll(key, body))
    if not body:
        raise UndecodableError("an instrument without a text")
    return Envelope(key, None, None, None, body)
