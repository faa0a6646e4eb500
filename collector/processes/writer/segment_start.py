"""Opens the segment a writer starts with: the existing one, or a new one with the state of the last seal."""

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
"""Seconds between tries to apply settings to a segment without rows that somebody reads."""


class SegmentStart:
    """Opens the segment, and upgrades its state to the present version."""

    def __init__(self, context: Context, on_progress: OnProgress) -> None:
        """`on_progress` is called during everything that may take long."""
        self._context = context
        self._on_progress = on_progress
        self._folder = context.config.data_dir / "segments"
        self._journals = context.config.data_dir / "journal"
        self._quarantine = context.config.data_dir / "quarantine"

    def open(self) -> OpenSegment:
        """Open the segment. An unreadable one goes to quarantine, and the journals are read again from the last seal on.

        Raises NewerDataError, and CannotStartError if the positions of the last seal cannot be read either.
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

    def rebuild(self, segment: OpenSegment, error: DamagedError) -> OpenSegment:
        """Begin again in place of a segment that turned out to be damaged, as `open` does. Raises as `open`."""
        segment.close()
        self._set_aside(error)
        return self._begin_anew()

    def state(self, segment: OpenSegment) -> SegmentState:
        """The segment's state. A state of an older version is upgraded, in one transaction if the segment takes commits."""
        found = segment.load()
        state = upgraded(found)
        if state.version != found.version and not segment.is_older:
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
            self._set_aside(error)
            return None
        return segment

    def _set_aside(self, error: DamagedError) -> None:
        names = quarantine_open_segment(self._folder, self._quarantine)
        self._context.log.error("segment_rebuilt", error=str(error), set_aside=names)

    def _apply_settings(self, segment: OpenSegment) -> None:
        """Apply the present settings to a segment without rows, because nothing was written under the old ones."""
        while not segment.has_rows:
            try:
                segment.set_meta(segment_meta(self._context.config, self._context.clock.now_us()))
            except CommitError:
                # Somebody holds the lock, and a commit would have to wait for it as well.
                if self._context.stopping():
                    return
                self._context.clock.sleep(RETRY_SECS)
                self._on_progress()
            else:
                return

    def _begin_anew(self) -> OpenSegment:
        """Begin an open segment with the state of the last seal; messages since then are read again from the journals."""
        try:
            positions = read_positions_file(self._folder)
            begun = upgraded(positions.state)
            require_readable(begun, self._folder / FILE_NAME)
        except DamagedError as error:
            raise CannotStartError(
                f"no open segment can be read, and positions.json cannot either: {error}; {WITHOUT}"
            ) from error
        if not positions.segment_id and self._were_sealed():
            self._context.log.error("segments_missing")
        now_us = self._context.clock.now_us()
        segment_id = make_segment_id(now_us, positions.segment_id or None, secrets.token_hex(3))
        new = PositionsFile(positions.segment_id, positions.previous_segment, begun)
        return begin_segment(self._folder, segment_id, segment_meta(self._context.config, now_us), new)

    def _were_sealed(self) -> bool:
        """Whether a seal has removed journals: then the lowest number of a feed is above 1."""
        feeds = [path.name for path in self._journals.iterdir()] if self._journals.is_dir() else []
        return any(min(journal_files(self._journals / feed), default=(1, Path()))[0] > 1 for feed in feeds)

    def _check_positions_file(self) -> None:
        """Warn if positions.json cannot be read. It is needed only if the open segment is unreadable; a seal rewrites it."""
        try:
            require_readable(upgraded(read_positions_file(self._folder).state), FILE_NAME)
        except DamagedError as error:
            self._context.log.warning("positions_unreadable", error=str(error))


def segment_meta(config: Config, now_us: int) -> dict[str, str]:
    """Metadata of a segment opened now: the settings that shape its output."""
    return {
        "host": config.host_name,
        "keep_raw": str(int(config.archive.keep_raw)),
        "compression_level": str(config.archive.compression_level),
        "collector_version": __version__,
        "opened_at": str(now_us),
    }


def opened_us(segment: OpenSegment) -> int:
    """When the segment was opened, by its metadata. Raises DamagedError if that does not hold a time."""
    text = segment.meta.get("opened_at", "")
    try:
        return int(text)
    except ValueError as error:
        raise DamagedError(f"{segment.path}: opened_at {text!a} is not a time") from error
