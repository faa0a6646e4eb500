"""The writer's shelf: the open segment, when it is sealed, and which journal files a seal sets free."""

import secrets
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from collector import __version__
from collector.channel.channel import Notice
from collector.domain.clock import Every
from collector.domain.disk_waits import disk_wait
from collector.domain.errors import CannotStartError, CommitError, DamagedError, SegmentBusyError
from collector.domain.names import make_segment_id
from collector.processes.context import Context
from collector.processes.writer.batching import passed_boundary
from collector.processes.writer.removals import Removals
from collector.processes.writer.state_upgrade import upgraded
from collector.processes.writer.stored_state import require_readable
from collector.processes.writer.streams import StreamTable
from collector.storage.journal.files import journal_files
from collector.storage.journal.head import file_id_of
from collector.storage.journal.position import Position
from collector.storage.journal.tail import Tails
from collector.storage.segment.open_segment import OnProgress, OpenSegment
from collector.storage.segment.positions_file import FILE_NAME, WITHOUT, PositionsFile, read_positions_file
from collector.storage.segment.seal import (
    begin_segment,
    open_segment,
    put_back,
    quarantine_open_segment,
    seal,
    set_strays_aside,
    write_positions,
)
from collector.storage.segment.state import Commit, SegmentState

RETRY_SEAL_SECS: Final = 5.0
"""How long after a reader kept a segment from being sealed the next try comes."""


RETRY_CLOSE_SECS: Final = 0.2
LOOK_AT_JOURNALS_SECS: Final = 1.0

KEEP_SECS: Final = 1.0
"""How often it is looked whether the files are still there while nothing is committed."""

CLOSE_SECS_SHARE: Final = 0.5
"""The share of the stop deadline for which somebody who reads the open segment is waited for."""


class SegmentRotation:
    """Exactly one open segment at every moment, and the positions it holds."""

    def __init__(self, context: Context, on_progress: OnProgress) -> None:
        """`on_progress` is called during all that may take long."""
        self._context = context
        self._on_progress = on_progress
        self._config = context.config
        self._folder = self._config.data_dir / "segments"
        self._journals = self._config.data_dir / "journal"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._segment = self._open()
        self._check_baseline()
        self.state = self._load()
        self._positions = dict(self.state.positions)
        self._opened_us = _opened_us(self._segment)
        self._opened_secs = context.clock.monotonic()
        self._busy_until: float | None = None
        self._journal_size_checks = Every(LOOK_AT_JOURNALS_SECS, context.clock.monotonic)
        self._tails = Tails()
        self._removals = Removals(context, self._folder)
        self._seals_at_once = False
        self._file_checks = Every(KEEP_SECS, context.clock.monotonic)
        context.log.info("segment_opened", segment=self._segment.segment_id, rows=self._segment.next_row - 1)

    @property
    def next_row(self) -> int:
        """The row number of the next message."""
        return self._segment.next_row

    @property
    def positions(self) -> dict[str, Position]:
        """How far each journal file is committed."""
        return self._positions

    def restore(self, streams: StreamTable) -> None:
        """Tell `streams` everything the open segment holds."""
        streams.restore(self.state, self._segment.messages(self._on_progress))

    def store(self, commit: Commit) -> None:
        """Commit; raises CommitError with nothing stored."""
        self.keep()
        self._segment.store(commit)
        self._positions.update((position.file_id, position) for position in commit.positions)

    def sealed(self) -> int:
        """How many sealed segments wait for the archiver."""
        return self._removals.waiting()

    @property
    def removed_lately(self) -> bool:
        """Whether somebody has removed files here."""
        return self._removals.lately

    def keep(self) -> None:
        """Put back what somebody removed, as far as it is known here. Raises CommitError.

        The open segment is copied from what this process holds open. As positions.json cannot be, the segment is sealed
        next, which writes it anew.
        """
        is_in_place = self._segment.is_in_place()
        if is_in_place and (self._seals_at_once or (self._folder / FILE_NAME).exists()):
            return
        self._removals.notice(self._segment)
        if not is_in_place:
            self._segment = put_back(self._segment, self._on_progress)
        self._seals_at_once = self._segment.has_rows
        if not self._seals_at_once:
            try:
                write_positions(self._segment, self._segment.load())
            except OSError as error:
                raise CommitError(f"{FILE_NAME} cannot be written: {error}") from error
        self._removals.mended(self._segment)

    def kept(self) -> bool:
        """As `keep`, about once a second; false if it is to be tried again."""
        if self._file_checks.due():
            with suppress(CommitError):  # said already, and tried again
                self.keep()
        return self._removals.is_mended

    def open_bytes(self) -> int:
        """The size of the open segment on disk."""
        return self._segment.size_bytes()

    def seal_due(self) -> bool:
        """Whether the open segment is old or large enough; one without rows never is."""
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

    def _journals_wait_for_a_seal(self) -> bool:
        """Whether files that only a seal sets free take so much of a feed's budget that frames may soon be refused."""
        if not self._journal_size_checks.due():
            return False
        ended = {(position.feed, position.number) for position in self._positions.values() if position.ended}
        waiting: Counter[str] = Counter()
        for feed in {feed for feed, _ in ended}:
            files = journal_files(self._journals / feed)
            waiting[feed] = sum(path.stat().st_size for number, path in files if (feed, number) in ended)
        return max(waiting.values(), default=0) >= self._config.journal.max_bytes // 2

    def seal(self, streams: StreamTable, feeds: dict[str, bytes], counts: str) -> None:
        """Seal what is committed and open the next segment; or try again later, if somebody reads this one."""
        clock = self._context.clock
        positions = self._positions_to_keep()
        state = self._state_now(streams, feeds, positions, counts)
        try:
            # Without its files the segment would be gone, and the next one would go on behind it.
            self.keep()
            old = self._segment
            new_id = make_segment_id(self._context.clock.now_us(), old.segment_id, secrets.token_hex(3))
            self._segment = seal(old, new_id, self._meta(), state, self._context.clock.now_us())
        except (SegmentBusyError, CommitError) as error:
            if self._busy_until is None:
                size_bytes = self._segment.size_bytes()
                self._context.log.warning("seal_delayed", error=str(error), size_bytes=size_bytes)
            self._busy_until = clock.monotonic() + RETRY_SEAL_SECS
            return
        self._positions, self._busy_until, self._seals_at_once = positions, None, False
        self._opened_us, self._opened_secs = self._context.clock.now_us(), clock.monotonic()
        self._remove_journals()
        self._context.log.info("segment_sealed", segment=old.segment_id, rows=old.next_row - 1)
        self._context.sender.offer(Notice(self._context.role, "sealed", 0, 0))

    def close(self, streams: StreamTable, feeds: dict[str, bytes], counts: str) -> None:
        """Seal what there is, and leave an open segment without rows."""
        clock = self._context.clock
        give_up_at = clock.monotonic() + self._config.supervisor.stop_timeout_secs * CLOSE_SECS_SHARE
        self._busy_until = None
        while not self.kept() and clock.monotonic() < give_up_at:
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
            # Frames that are no rows (acknowledgements) came after the last seal; their files are read to the end too.
            # The open segment holds the same durably, so nothing waits for the disk: on a slow one a stop has no time for it.
            write_positions(self._segment, self._state_now(streams, feeds, self._positions, counts), durable=False)
            self._remove_journals()
        self._segment.close()

    def _open(self) -> OpenSegment:
        quarantine = self._config.data_dir / "quarantine"
        if strays := set_strays_aside(self._folder, quarantine):
            self._context.log.error("open_segments_set_aside", set_aside=strays)
        try:
            segment = open_segment(self._folder, self._on_progress)
            if segment is not None:
                require_readable(upgraded(segment.load()), segment.path)
                _opened_us(segment)
        except DamagedError as error:
            names = quarantine_open_segment(self._folder, quarantine)
            self._context.log.error("segment_rebuilt", error=str(error), set_aside=names)  # noqa: TRY400 -- it is mended
            segment = None
        if segment is None:
            return self._begin_anew()
        self._apply_settings(segment)
        return segment

    def _apply_settings(self, segment: OpenSegment) -> None:
        """To one without rows: nothing was written under the old ones, so the present ones may shape the output."""
        while not segment.has_rows:
            try:
                segment.set_meta(self._meta())
            except CommitError:
                # A commit would have to wait for whoever holds the lock as well.
                if self._context.stopping():
                    return
                self._context.clock.sleep(RETRY_CLOSE_SECS)
                self._on_progress()
            else:
                return

    def _begin_anew(self) -> OpenSegment:
        """An open segment as of the last seal: what came since then is still in the journals, and is read again."""
        try:
            baseline = read_positions_file(self._folder)
            begun = upgraded(baseline.state)
            require_readable(begun, self._folder / FILE_NAME)
        except DamagedError as error:
            raise CannotStartError(
                f"no open segment can be read, nor what it began with: {error}; {WITHOUT}"
            ) from error
        if not baseline.segment_id and self._were_sealed():
            self._context.log.error("segments_missing")
        segment_id = make_segment_id(self._context.clock.now_us(), baseline.segment_id or None, secrets.token_hex(3))
        new = PositionsFile(baseline.segment_id, baseline.previous_segment, begun)
        return begin_segment(self._folder, segment_id, self._meta(), new)

    def _were_sealed(self) -> bool:
        """Whether journals are there whose predecessors a seal has removed: their numbers begin at 1."""
        feeds = [path.name for path in self._journals.iterdir()] if self._journals.is_dir() else []
        return any(min(journal_files(self._journals / feed), default=(1, None))[0] > 1 for feed in feeds)

    def _load(self) -> SegmentState:
        """The open segment's state; one of an older form gives way, all at once, to the same in the present form."""
        found = self._segment.load()
        state = upgraded(found)
        if state.version != found.version:
            self._segment.replace_state(state)
            self._context.log.info("state_upgraded", version_before=found.version, version_now=state.version)
        return state

    def _check_baseline(self) -> None:
        """It is needed only should the open segment become unreadable, and is written anew at the next seal."""
        try:
            require_readable(upgraded(read_positions_file(self._folder).state), FILE_NAME)
        except DamagedError as error:
            self._context.log.warning("positions_unreadable", error=str(error))

    def _state_now(
        self, streams: StreamTable, feeds: dict[str, bytes], positions: dict[str, Position], counts: str
    ) -> SegmentState:
        rows, recents = streams.state(self._on_progress)
        return SegmentState(positions, rows, recents, feeds, counts=counts)

    def _meta(self) -> dict[str, str]:
        archive = self._config.archive
        return {
            "host": self._config.host_name,
            "keep_raw": str(int(archive.keep_raw)),
            "compression_level": str(archive.compression_level),
            "collector_version": __version__,
            "opened_at": str(self._context.clock.now_us()),
        }

    def _positions_to_keep(self) -> dict[str, Position]:
        """Positions of the files present and, for each feed, of the highest number ever read."""
        highest: dict[str, int] = {}
        for position in self._positions.values():
            highest[position.feed] = max(position.number, highest.get(position.feed, 0))
        present = {file_id for _, file_id in self._files(highest)}
        return {
            file_id: position
            for file_id, position in self._positions.items()
            if file_id in present or position.number == highest[position.feed]
        }

    def has_read_journals(self) -> bool:
        """Whether a seal would remove journal files."""
        return any(True for _ in self._read_journals())

    def _remove_journals(self) -> None:
        """Remove the files read to their end: their rows are sealed, and positions.json knows their numbers."""
        for path in self._read_journals():
            with disk_wait():
                path.unlink()

    def _read_journals(self) -> Iterator[Path]:
        ended = {file_id: position for file_id, position in self._positions.items() if position.ended}
        for path, file_id in self._files({position.feed for position in ended.values()}):
            if file_id in ended and not self._tails.goes_on(path, ended[file_id].offset):
                yield path

    def _files(self, feeds: Iterable[str]) -> Iterator[tuple[Path, str]]:
        """The journal files of these feeds, each with its id."""
        for feed in feeds:
            for number, path in journal_files(self._journals / feed):
                yield path, file_id_of(path, feed, number)


def _opened_us(segment: OpenSegment) -> int:
    """Raises DamagedError where it does not say."""
    said = segment.meta.get("opened_at", "")
    try:
        return int(said)
    except ValueError as error:
        raise DamagedError(f"{segment.path} was opened at {said!a}") from error
