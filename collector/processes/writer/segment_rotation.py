"""The open segment: commits go into it; a seal ends it and opens the next one."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final

from collector.channel.channel import Notice
from collector.domain.clock import Every
from collector.domain.errors import CommitError, DamagedError, SegmentBusyError
from collector.domain.names import make_segment_id
from collector.processes.context import Context
from collector.processes.writer.batching import passed_boundary
from collector.processes.writer.finished_journals import FinishedJournals
from collector.processes.writer.removal_watch import RemovalWatch
from collector.processes.writer.segment_start import SegmentStart, opened_us, segment_meta
from collector.processes.writer.streams import StreamTable
from collector.storage.journal.position import Position
from collector.storage.segment.blocks import Messages
from collector.storage.segment.newest import IsEnough
from collector.storage.segment.open_segment import OnProgress
from collector.storage.segment.positions_file import FILE_NAME
from collector.storage.segment.seal import (
    put_back,
    seal,
    write_positions,
)
from collector.storage.segment.state import Commit, SegmentState

RETRY_SEAL_SECS: Final = 5.0
"""Seconds until the next try to seal a segment that somebody reads."""

RETRY_CLOSE_SECS: Final = 0.2
"""The same during a stop."""

JOURNAL_SIZE_SECS: Final = 1.0
"""Seconds between checks of the size of the journals that a seal would remove."""

FILE_CHECK_SECS: Final = 1.0
"""Seconds between checks that the segment's files still exist, while nothing is committed."""

CLOSE_SECS_SHARE: Final = 0.5
"""Share of the stop deadline for which a stop waits for a reader of the open segment."""


class SegmentRotation:
    """Holds exactly one open segment at every moment, and the journal positions committed to it."""

    def __init__(self, context: Context, on_progress: OnProgress) -> None:
        """`on_progress` is called during everything that may take long."""
        self._context = context
        self._on_progress = on_progress
        self._config = context.config
        self._folder = self._config.data_dir / "segments"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._start = SegmentStart(context, on_progress)
        self._segment = self._start.open()
        self.state = self._start.state(self._segment)
        """State as found at start."""
        self._positions = dict(self.state.positions)
        self._opened_us = opened_us(self._segment)
        self._opened_secs = context.clock.monotonic()
        self._busy_until: float | None = None
        self._journal_size_checks = Every(JOURNAL_SIZE_SECS, context.clock.monotonic)
        self._journals = FinishedJournals(self._config.data_dir / "journal")
        self._removals = RemovalWatch(context, self._folder)
        self._seals_at_once = False
        self._file_checks = Every(FILE_CHECK_SECS, context.clock.monotonic)
        context.log.info("segment_opened", segment=self._segment.segment_id, rows=self._segment.next_row - 1)

    @property
    def next_row(self) -> int:
        """The row number of the next message."""
        return self._segment.next_row

    @property
    def positions(self) -> dict[str, Position]:
        """How far each journal file is committed."""
        return self._positions

    def restored(self, new_table: Callable[[], StreamTable]) -> StreamTable:
        """The streams of the open segment. One of an older format is sealed, because it takes no commits.

        A segment whose messages turn out to be damaged is set aside, and the journals are read again.
        """
        streams = new_table()
        try:
            streams.restore(self.state, self._newest)
        except DamagedError as error:
            self._segment = self._start.rebuild(self._segment, error)
            self.state = self._start.state(self._segment)
            self._positions = dict(self.state.positions)
            streams = new_table()
            streams.restore(self.state, self._newest)
        self._leave_older_format(streams)
        return streams

    def _newest(self, is_enough: IsEnough) -> Iterator[list[Messages]]:
        return self._segment.newest(is_enough, self._on_progress)

    def _leave_older_format(self, streams: StreamTable) -> None:
        while self._segment.is_older:
            self.seal(streams, dict(self.state.feeds), self.state.counts)
            if self._segment.is_older:  # somebody reads it
                self._context.clock.sleep(RETRY_CLOSE_SECS)
                self._on_progress()

    def store(self, commit: Commit) -> None:
        """Commit to the open segment. Raises CommitError if nothing was stored."""
        self.restore_removed()
        self._segment.store(commit)
        self._positions.update((position.file_id, position) for position in commit.positions)

    def sealed_waiting(self) -> int:
        """Number of sealed segments that wait for the archiver."""
        return self._removals.waiting()

    @property
    def removed_lately(self) -> bool:
        """Whether somebody has recently removed files in the segments' folder."""
        return self._removals.is_recent

    def restore_removed(self) -> None:
        """Restore the open segment, and have positions.json rewritten, if somebody removed them. Raises CommitError.

        The open segment is copied from the files this process holds open. positions.json is rewritten by a seal, so the
        segment is sealed next; a segment without rows has it written at once.
        """
        is_in_place = self._segment.is_in_place()
        if is_in_place and (self._seals_at_once or (self._folder / FILE_NAME).exists()):
            return
        self._removals.note_removal(self._segment)
        if not is_in_place:
            self._segment = put_back(self._segment, self._on_progress)
        self._seals_at_once = self._segment.has_rows
        if not self._seals_at_once:
            try:
                write_positions(self._segment, self._segment.load())
            except OSError as error:
                raise CommitError(f"{FILE_NAME} cannot be written: {error}") from error
        self._removals.note_restored(self._segment)

    def files_in_place(self) -> bool:
        """Call `restore_removed` about once a second. Returns whether all files are in place; if not, it is tried again."""
        if self._file_checks.due():
            with suppress(CommitError):  # the removal is logged already, and this is tried again
                self.restore_removed()
        return self._removals.is_restored

    def open_bytes(self) -> int:
        """Size of the open segment on disk."""
        return self._segment.size_bytes()

    def seal_due(self) -> bool:
        """Whether the open segment should be sealed now. One without rows never is."""
        now = self._context.clock.monotonic()
        if not self._segment.has_rows:
            self._opened_us, self._opened_secs = self._context.clock.now_us(), now
            return False
        if self._busy_until is not None and now < self._busy_until:
            return False
        if self._seals_at_once:
            return True
        config = self._config.segment
        return (
            passed_boundary(self._opened_us, self._context.clock.now_us(), config.interval_secs)
            or now - self._opened_secs >= config.interval_secs
            or self._segment.size_bytes() >= config.max_bytes
            or self._journals_wait_for_a_seal()
        )

    def has_read_journals(self) -> bool:
        """Whether a seal would remove journal files."""
        return any(True for _ in self._journals.paths(self._positions))

    def _journals_wait_for_a_seal(self) -> bool:
        """Whether the files that a seal would remove take half of a feed's budget, so that frames may soon be refused."""
        if not self._journal_size_checks.due():
            return False
        return self._journals.largest_bytes(self._positions) >= self._config.journal.max_bytes // 2

    def seal(self, streams: StreamTable, feeds: dict[str, bytes], counts: str) -> None:
        """Seal the segment and open the next one. If somebody reads it or a write fails, this is tried again later."""
        clock = self._context.clock
        positions = self._journals.positions_to_keep(self._positions)
        state = self._state_now(streams, feeds, positions, counts)
        try:
            # If its files are missing they must be restored first: otherwise the sealed segment would be lost.
            self.restore_removed()
            old, now_us = self._segment, clock.now_us()
            new_id = make_segment_id(now_us, old.segment_id, secrets.token_hex(3))
            self._segment = seal(old, new_id, segment_meta(self._config, now_us), state, now_us)
        except (SegmentBusyError, CommitError) as error:
            if self._busy_until is None:
                size_bytes = self._segment.size_bytes()
                self._context.log.warning("seal_delayed", error=str(error), size_bytes=size_bytes)
            self._busy_until = clock.monotonic() + RETRY_SEAL_SECS
            return
        streams.begin_segment()
        self._positions, self._busy_until, self._seals_at_once = positions, None, False
        self._opened_us, self._opened_secs = self._context.clock.now_us(), clock.monotonic()
        self._journals.remove(self._positions)
        self._context.log.info("segment_sealed", segment=old.segment_id, rows=old.next_row - 1)
        self._context.sender.offer(Notice(self._context.role, "sealed", 0, 0))

    def close(self, streams: StreamTable, feeds: dict[str, bytes], counts: str) -> None:
        """Seal the segment if it has rows, and leave an open segment without rows."""
        clock = self._context.clock
        give_up_at = clock.monotonic() + self._config.supervisor.stop_timeout_secs * CLOSE_SECS_SHARE
        self._busy_until = None
        while not self.files_in_place() and clock.monotonic() < give_up_at:
            clock.sleep(RETRY_CLOSE_SECS)
        while self._segment.has_rows:
            self.seal(streams, feeds, counts)
            if self._segment.has_rows:
                if clock.monotonic() >= give_up_at:
                    # Its rows are durable; the next start seals it.
                    self._context.log.warning("segment_left_open", segment=self._segment.segment_id)
                    break
                clock.sleep(RETRY_CLOSE_SECS)
        if not self._segment.has_rows:
            # Frames without rows (acknowledgements) may have come after the last seal; their files are finished too.
            # The open segment holds the same positions durably, so this write need not wait for a disk that may be slow.
            write_positions(self._segment, self._state_now(streams, feeds, self._positions, counts), durable=False)
            self._journals.remove(self._positions)
        self._segment.close()

    def leave(self) -> None:
        """Leave the segment open, with the rows of its last commit, to the successor of this process."""
        self._segment.close()

    def _state_now(
        self, streams: StreamTable, feeds: dict[str, bytes], positions: dict[str, Position], counts: str
    ) -> SegmentState:
        rows, recents = streams.state(self._on_progress)
        return SegmentState(positions, rows, recents, feeds, counts=counts)
