"""The open segment a writer starts with: the one that is there, or a new one as of the last seal."""

import secrets
from pathlib import Path
from typing import Final

from collector import __version__
from collector.config import Config
from collector.domain.errors import CannotStartError, CommitError, DamagedError
from collector.domain.names import make_segment_id
from collector.processes.context import Context
from collector.processes.writer.state_upgrade import upgraded
from collector.processes.writer.stored_state import require_readable
from collector.storage.journal.files import journal_files
from collector.storage.segment.open_segment import OnProgress, OpenSegment
from collector.storage.segment.positions_file import FILE_NAME, WITHOUT, PositionsFile, read_positions_file
from collector.storage.segment.seal import begin_segment, open_segment, quarantine_open_segment, set_strays_aside
from collector.storage.segment.state import SegmentState

RETRY_SECS: Final = 0.2
"""Seconds between tries to change a segment without rows that somebody reads."""


class SegmentStart:
    """Opens the segment, and reads its state in the present form."""

    def __init__(self, context: Context, on_progress: OnProgress) -> None:
        """`on_progress` is called during all that may take long."""
        self._context = context
        self._on_progress = on_progress
        self._folder = context.config.data_dir / "segments"
        self._journals = context.config.data_dir / "journal"
        self._quarantine = context.config.data_dir / "quarantine"

    def open(self) -> OpenSegment:
        """The open segment. One that cannot be read goes to quarantine, and what came since the last seal is read again.

        Raises NewerDataError, and CannotStartError if it is not known what was sealed.
        """
        if strays := set_strays_aside(self._folder, self._quarantine):
            self._context.log.error("open_segments_set_aside", set_aside=strays)
        segment = self._present()
        if segment is None:
            segment = self._begin_anew()
        else:
            self._apply_settings(segment)
        self._check_positions_file()
        return segment

    def state(self, segment: OpenSegment) -> SegmentState:
        """The segment's state; an older form is replaced by the present one, in one transaction."""
        found = segment.load()
        state = upgraded(found)
        if state.version != found.version:
            segment.replace_state(state)
            self._context.log.info("state_upgraded", version_before=found.version, version_now=state.version)
        return state

    def _present(self) -> OpenSegment | None:
        try:
            segment = open_segment(self._folder, self._on_progress)
            if segment is not None:
                require_readable(upgraded(segment.load()), segment.path)
                opened_us(segment)
        except DamagedError as error:
            names = quarantine_open_segment(self._folder, self._quarantine)
            self._context.log.error("segment_rebuilt", error=str(error), set_aside=names)  # noqa: TRY400 -- it is repaired
            return None
        return segment

    def _apply_settings(self, segment: OpenSegment) -> None:
        """Give a segment without rows the present settings: nothing was written under the old ones."""
        while not segment.has_rows:
            try:
                segment.set_meta(segment_meta(self._context.config, self._context.clock.now_us()))
            except CommitError:
                # A commit would have to wait for whoever holds the lock as well.
                if self._context.stopping():
                    return
                self._context.clock.sleep(RETRY_SECS)
                self._on_progress()
            else:
                return

    def _begin_anew(self) -> OpenSegment:
        """An open segment as of the last seal: what came since then is still in the journals, and is read again."""
        try:
            positions = read_positions_file(self._folder)
            begun = upgraded(positions.state)
            require_readable(begun, self._folder / FILE_NAME)
        except DamagedError as error:
            raise CannotStartError(
                f"no open segment can be read, nor what it began with: {error}; {WITHOUT}"
            ) from error
        if not positions.segment_id and self._were_sealed():
            self._context.log.error("segments_missing")
        now_us = self._context.clock.now_us()
        segment_id = make_segment_id(now_us, positions.segment_id or None, secrets.token_hex(3))
        new = PositionsFile(positions.segment_id, positions.previous_segment, begun)
        return begin_segment(self._folder, segment_id, segment_meta(self._context.config, now_us), new)

    def _were_sealed(self) -> bool:
        """Whether a seal has removed journals: those that are there no longer begin with number 1."""
        feeds = [path.name for path in self._journals.iterdir()] if self._journals.is_dir() else []
        return any(min(journal_files(self._journals / feed), default=(1, Path()))[0] > 1 for feed in feeds)

    def _check_positions_file(self) -> None:
        """Warn of one that cannot be read. It is needed only if the open segment becomes unreadable; a seal writes it anew."""
        try:
            require_readable(upgraded(read_positions_file(self._folder).state), FILE_NAME)
        except DamagedError as error:
            self._context.log.warning("positions_unreadable", error=str(error))


def segment_meta(config: Config, now_us: int) -> dict[str, str]:
    """What a segment opened now says of itself: the settings that shape its output."""
    return {
        "host": config.host_name,
        "keep_raw": str(int(config.archive.keep_raw)),
        "compression_level": str(config.archive.compression_level),
        "collector_version": __version__,
        "opened_at": str(now_us),
    }


def opened_us(segment: OpenSegment) -> int:
    """When the segment was opened. Raises DamagedError if it does not say."""
    text = segment.meta.get("opened_at", "")
    try:
        return int(text)
    except ValueError as error:
        raise DamagedError(f"{segment.path} was opened at {text!a}") from error
