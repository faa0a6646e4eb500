"""`segments/positions.json`: where everything stood when the open segment was opened.

Journal files go only at a seal, so an open segment that cannot be read is made again from here and read anew: its loss
is a replay. New journal files are numbered behind the ones this knows.
"""

from pathlib import Path
from typing import Final

import msgspec

from collector.domain.errors import DamagedError
from collector.storage.durable import draft, write_durably
from collector.storage.journal_reader import Position
from collector.storage.segments import EMPTY_STATE, SegmentState, StreamRow

FILE_NAME: Final = "positions.json"


class Baseline(msgspec.Struct, frozen=True):
    """The state an open segment began with."""

    segment_id: str
    previous_segment: str
    state: SegmentState


class _Entry(msgspec.Struct):
    file_id: str
    feed: str
    number: int
    offset: int
    ended: bool


class _Content(msgspec.Struct):
    segment_id: str
    previous_segment: str
    positions: list[_Entry]
    streams: list[StreamRow]
    recents: dict[int, bytes]
    feeds: dict[str, bytes]


def write_baseline(folder: Path, baseline: Baseline) -> None:
    """Replace the file, whole and durable; one that says the same already stays."""
    path, content = folder / FILE_NAME, _encoded(baseline)
    if not path.exists() or path.read_bytes() != content:
        write_durably(path, content)


def draft_baseline(folder: Path, baseline: Baseline) -> Path:
    """What shall take the file's place, durable but for its name."""
    return draft(folder / FILE_NAME, _encoded(baseline))


def _encoded(baseline: Baseline) -> bytes:
    state = baseline.state
    entries = [_Entry(**position._asdict()) for position in state.positions.values()]
    content = _Content(
        baseline.segment_id, baseline.previous_segment, entries, state.streams, state.recents, state.feeds
    )
    return msgspec.json.encode(content)


def read_baseline(folder: Path) -> Baseline:
    """The newest one; an empty one where nothing was ever sealed. Raises DamagedError if it cannot be read."""
    path = folder / FILE_NAME
    if not path.exists():
        return Baseline("", "", EMPTY_STATE)
    try:
        content = msgspec.json.decode(path.read_bytes(), type=_Content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DamagedError(f"{path}: {error}") from error
    positions = {
        entry.file_id: Position(entry.file_id, entry.feed, entry.number, entry.offset, entry.ended)
        for entry in content.positions
    }
    state = SegmentState(positions, content.streams, content.recents, content.feeds)
    return Baseline(content.segment_id, content.previous_segment, state)
