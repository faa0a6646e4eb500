"""Takes the messages of a run into the batch: of each stream together where all are certainly new, else one by one."""

from collections.abc import Callable, Iterable
from itertools import chain, repeat
from operator import itemgetter
from typing import TypeVar

from collector.domain.records import StreamKey
from collector.domain.sequence.stretch import Stretch
from collector.exchanges.adapter import Adapter
from collector.exchanges.together import Decoded, MessageColumns, Outcome
from collector.processes.writer.message_intake import MessageIntake
from collector.processes.writer.receipt import Receipt
from collector.processes.writer.runs import Run
from collector.processes.writer.streams import StreamState, StreamTable

Value = TypeVar("Value")


class RunIntake:
    """Judges each stream of a run by itself, because no verdict depends on another stream."""

    def __init__(
        self, streams: StreamTable, one_by_one: MessageIntake, record_received: Callable[[Receipt], None]
    ) -> None:
        """`record_received` is called after each record of a run with messages that are taken one by one."""
        self._streams = streams
        self._one_by_one = one_by_one
        self._record_received = record_received

    def take(
        self, run: Run, receipts: list[Receipt], decoded: Decoded, adapter: Adapter, on_progress: Callable[[], None]
    ) -> None:
        """Take all messages of a run, each with the row that it would have if they were taken one by one.

        `on_progress` is called for each stream and each record.
        """
        others = decoded.others
        mixed = _streams_in(others) if decoded.columns else set()
        received = _Received(run, receipts)
        new: list[tuple[StreamState, Stretch, list[int]]] = []
        for column in decoded.columns:
            on_progress()
            is_apart = column.key in mixed or column.key.data_type in adapter.checks
            stream = None if is_apart else self._streams.get(column.key)
            stretch = None if stream is None or stream.needs_each else received.stretch(column)
            is_new = (
                stream is not None
                and stretch is not None
                and not self._one_by_one.is_late(stream, stretch.received_us[0])
            )
            if is_new and stream is not None and stretch is not None and stream.dedup.judge_together(stretch):
                new.append((stream, stretch, column.frames))
            else:
                others += zip(column.frames, ([message] for message in column.envelopes()), strict=True)
        row = self._one_by_one.next_row
        if others:
            rows = self._take_others(run, receipts, others, adapter, on_progress)
            for stream, stretch, frames in new:
                self._one_by_one.all_new(stream, stretch, [rows[index] for index in frames])
        else:
            for stream, stretch, frames in new:
                self._one_by_one.all_new(stream, stretch, [row + index for index in frames])
            self._one_by_one.next_row = row + len(run.frames)

    def _take_others(
        self, run: Run, receipts: list[Receipt], others: list[tuple[int, Outcome]], adapter: Adapter,
        on_progress: Callable[[], None],
    ) -> list[int]:  # fmt: skip
        """Take what is not taken together. Returns the row of each other frame, by the frame's index."""
        intake, frames, rows, record = self._one_by_one, run.frames, list[int](), 0
        begin, end, offsets = run.place_of(record)
        for index, found in sorted(others, key=itemgetter(0)):
            while index >= end:
                on_progress()
                self._record_received(receipts[record])
                record += 1
                begin, end, offsets = run.place_of(record)
            if index > len(rows):
                _fill(rows, index, intake)
            intake.frame(receipts[record], adapter, offsets[index - begin], frames[index], found)
            rows.append(0)
        for receipt in receipts[record:-1]:
            self._record_received(receipt)
        _fill(rows, len(run.frames), intake)
        return rows


class _Received:
    """How each frame of a run was received."""

    def __init__(self, run: Run, receipts: list[Receipt]) -> None:
        counts = run.counts()
        self._received_us = _spread((receipt.received_us for receipt in receipts), counts)
        origins = [(receipt.line, receipt.connection) for receipt in receipts]
        self._origin = origins[0]
        self._origins = None if len(set(origins)) == 1 else _spread(origins, counts)

    def stretch(self, column: MessageColumns) -> Stretch | None:
        """The messages of a column, if one connection brought them all."""
        frames, origin = column.frames, self._origin
        if self._origins is not None:
            origin = self._origins[frames[0]]
            if any(self._origins[index] != origin for index in frames):
                return None
        received_us = [self._received_us[index] for index in frames]
        return Stretch(column.ids, column.first_ids, column.exchange_us, received_us, column.payloads, *origin)


def _spread(values: Iterable[Value], counts: list[int]) -> list[Value]:
    return list(chain.from_iterable(map(repeat, values, counts)))


def _fill(rows: list[int], until: int, intake: MessageIntake) -> None:
    """Give the next rows to the frames before index `until`, which have one new message each."""
    count = until - len(rows)
    rows += range(intake.next_row, intake.next_row + count)
    intake.next_row += count


def _streams_in(others: list[tuple[int, Outcome]]) -> set[StreamKey]:
    return {message.stream for _, found in others if isinstance(found, list) for message in found}
