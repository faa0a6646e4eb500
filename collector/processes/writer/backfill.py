"""Judges what repair fetched: which messages were missing, and which will never come. No I/O."""

from collections.abc import Iterator

from collector.domain.errors import UndecodableError
from collector.domain.records import Envelope, StreamKey
from collector.domain.repair_protocol import RepairAnswer
from collector.exchanges.adapter import Adapter
from collector.exchanges.rest_adapter import Hole
from collector.processes.rest_adapters import read_response
from collector.processes.writer.gaps.ledger import GapLedger
from collector.processes.writer.streams import StreamState, StreamTable


class Backfill:
    """Fills holes of known streams; it never adds a stream."""

    def __init__(self, streams: StreamTable, ledger: GapLedger) -> None:
        self._streams = streams
        self._ledger = ledger

    def take(self, adapter: Adapter, answer: RepairAnswer, body: bytes) -> Iterator[tuple[StreamState, Envelope]]:
        """The messages of an answer that have to be stored. Raises UndecodableError before anything has changed."""
        key = StreamKey(adapter.exchange, answer.symbol, answer.data_type)
        messages = _read(adapter, key, answer, body) if answer.answer != "end" else []
        stream = self._streams.get(key)
        # A book of a stream without any message is of no use: its first message requests another one.
        if stream is None or answer.series not in {None, stream.dedup.progress.series}:
            return iter(())
        if answer.answer == "snapshot":
            # Where no book is missing, one of few levels would only take the place of a better one.
            is_of_use = not answer.is_brief or stream.lacks_book
            return ((stream, book) for book in messages if is_of_use)
        return self._missing(stream, answer, messages)

    def _missing(
        self, stream: StreamState, answer: RepairAnswer, messages: list[Envelope]
    ) -> Iterator[tuple[StreamState, Envelope]]:
        for message in messages:
            id_ = message.id
            if id_ is not None and answer.first <= id_ <= answer.last and stream.dedup.backfill(id_, message.first_id):
                yield stream, message
        if answer.answer == "end":
            stream.dedup.holes.end(answer.first, answer.last)
        self._ledger.holes.watch(stream)


def _read(adapter: Adapter, key: StreamKey, answer: RepairAnswer, body: bytes) -> list[Envelope]:
    rest = adapter.rest
    if rest is None or key.data_type not in adapter.id_rules:
        raise UndecodableError(f"{key.data_type!a} cannot be fetched over REST")
    if answer.answer == "snapshot":
        return [read_response(lambda: rest.read_snapshot(key, body))]
    return read_response(lambda: rest.read_page(key, Hole(answer.first, answer.last), "", body)).messages
