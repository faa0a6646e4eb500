"""`segments/positions.json`: the whole state that the open segment began with.

Journal files are removed only at a seal. So if the open segment cannot be read, it is made again from this state, and the
journals are replayed from here: nothing is lost. New journal files get numbers above those in this file.
"""

from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from collector.domain.disk_waits import disk_wait
from collector.domain.errors import CannotStartError, DamagedError
from collector.domain.versions import refuse_newer
from collector.storage.durable import draft, write_durably
from collector.storage.journal.position import Position
from collector.storage.segment.file_format import FIRST_STATE_VERSION, STATE_VERSION
from collector.storage.segment.state import EMPTY_STATE, SegmentState, StreamRow

FILE_NAME: Final = "positions.json"
VERSION: Final = 1
"""The version of the file; a file that does not state one has version 1."""


WITHOUT: Final = (
    "move it away to have all journals that are there read again, some of their rows for the second time "
    "(docs/OPERATIONS.md, What a crash can cost)"
)
"""Advice for a file that is needed and cannot be read."""


class PositionsFile(msgspec.Struct, frozen=True):
    """The state that an open segment began with."""

    segment_id: str
    previous_segment: str
    state: SegmentState


class _Entry(msgspec.Struct):
    file_id: str
    feed: str
    number: int
    offset: int
    ended: bool


class _Versions(msgspec.Struct):
    version: int = 1
    state_version: int = FIRST_STATE_VERSION


class _Content(msgspec.Struct):
    segment_id: str
    previous_segment: str
    positions: list[_Entry]
    streams: list[StreamRow]
    recents: dict[int, bytes]
    feeds: dict[str, bytes]
    version: int = VERSION
    state_version: int = FIRST_STATE_VERSION
    counts: str = ""


def write_positions_file(folder: Path, positions: PositionsFile, *, durable: bool = True) -> None:
    """Replace the file, whole and by default durably; does nothing if it has the same content."""
    path, content = folder / FILE_NAME, _encoded(positions)
    if path.exists() and path.read_bytes() == content:
        return
    if durable:
        write_durably(path, content)
        return
    new_path = path.with_name(f"{path.name}.new")
    with disk_wait():
        new_path.write_bytes(content)
        new_path.replace(path)


def draft_positions_file(folder: Path, positions: PositionsFile) -> Path:
    """Write the file's next content beside it, as `durable.draft`."""
    return draft(folder / FILE_NAME, _encoded(positions))


def _encoded(positions: PositionsFile) -> bytes:
    state = positions.state
    entries = [_Entry(**position._asdict()) for position in state.positions.values()]
    content = _Content(
        positions.segment_id, positions.previous_segment, entries, state.streams, state.recents, state.feeds,
        state_version=state.version, counts=state.counts,
    )  # fmt: skip
    return msgspec.json.encode(content)


def read_positions_file(folder: Path) -> PositionsFile:
    """Read the file; an empty state if there is none because nothing was ever sealed.

    Raises NewerDataError for a newer program's file, DamagedError for one that cannot be read, CannotStartError for a
    folder, pipe or device of that name.
    """
    path = folder / FILE_NAME
    if not path.exists():
        return PositionsFile("", "", EMPTY_STATE)
    if not path.is_file():
        raise CannotStartError(f"{path} is not a regular file; {WITHOUT}")
    data = path.read_bytes()
    try:
        _refuse_newer(path, data)
        content = msgspec.json.decode(data, type=_Content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DamagedError(f"{path}: {error}") from error
    positions = {
        entry.file_id: Position(entry.file_id, entry.feed, entry.number, entry.offset, entry.ended)
        for entry in content.positions
    }
    state = SegmentState(
        positions, content.streams, content.recents, content.feeds, content.state_version, content.counts
    )
    return PositionsFile(content.segment_id, content.previous_segment, state)


def refuse_newer_positions_file(folder: Path) -> None:
    """Raise NewerDataError for a newer program's file; a file that cannot be read is not refused."""
    path = folder / FILE_NAME
    if not path.is_file():
        return
    with suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
        _refuse_newer(path, path.read_bytes())


def _refuse_newer(path: Path, data: bytes) -> None:
    versions = msgspec.json.decode(data, type=_Versions)
    refuse_newer(path, versions.version, VERSION)
    refuse_newer(f"the state in {path}", versions.state_version, STATE_VERSION)
