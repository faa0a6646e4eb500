"""Seals the open segment and begins the next one, without ever having two open segments or none.

1. write `B.new.db` with schema, positions and stream state as of A's last commit; close and fsync it;
2. `wal_checkpoint(TRUNCATE)` on A; if a reader keeps it busy, delete `B.new.db`, go on with A and try again later;
3. write and fsync the next `positions.json` under another name; close A and rename it to `A.db`, rename B to
   `B.open.db`, rename `positions.json` into its place, fsync the folder.

Making the new segment waits for the disk three times, ending the old one twice: a slow disk may need seconds each time.

At a start an `.open.db` wins over a `.new.db`; without one, the `.new.db` becomes the open segment.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from collector.domain.errors import CommitError, DamagedError, SegmentBusyError
from collector.domain.names import is_segment_id
from collector.storage.durable import sync
from collector.storage.regular_files import regular_files
from collector.storage.segment.database import beside, connect
from collector.storage.segment.file_format import (
    STATE_VERSION_KEY,
    make_tables,
)
from collector.storage.segment.open_segment import OnProgress, OpenSegment
from collector.storage.segment.positions_file import (
    FILE_NAME,
    PositionsFile,
    draft_positions_file,
    read_positions_file,
    write_positions_file,
)
from collector.storage.segment.state import SegmentState, store_state


def open_segment(folder: Path, on_progress: OnProgress = lambda: None) -> OpenSegment | None:
    """The open segment of a data directory, after completing a seal that a kill interrupted; None if there is none.

    Checking a large one takes long; `on_progress` is called meanwhile. A segment of an older format has to be sealed
    before the first commit. Raises NewerDataError for a newer program's segment, DamagedError for
    one that cannot be read.
    """
    opened, new = regular_files(folder, "*.open.db"), regular_files(folder, "*.new.db")
    if not opened and new:
        opened = [new[-1].with_name(new[-1].name.replace(".new.db", ".open.db"))]
        new[-1].rename(opened[0])
        sync(folder)
    for leftover in [*regular_files(folder, "*.new.db*"), *regular_files(folder, "*.copy.db*")]:
        leftover.unlink()
    if not opened:
        return None
    segment = OpenSegment(opened[0])
    segment.check(on_progress)
    if not segment.has_rows and not _is_positions_file_of(segment):
        # A kill may have come between the renames of a seal.
        write_positions(segment, segment.load())
    return segment


def _is_positions_file_of(segment: OpenSegment) -> bool:
    try:
        return read_positions_file(segment.path.parent).segment_id == segment.segment_id
    except DamagedError:
        return False


def write_positions(segment: OpenSegment, state: SegmentState, *, durable: bool = True) -> None:
    """Write `positions.json` for a segment that begins with `state`."""
    positions_file = PositionsFile(segment.segment_id, segment.meta["previous_segment"], state)
    write_positions_file(segment.path.parent, positions_file, durable=durable)


def quarantine_open_segment(folder: Path, quarantine: Path) -> list[str]:
    """Move the open segment and the files SQLite keeps beside it to quarantine; returns their names."""
    return _move(regular_files(folder, "*.open.db*"), folder, quarantine)


def set_strays_aside(folder: Path, quarantine: Path) -> list[str]:
    """Of several open segments, keep the newest and move the others to quarantine; returns the names of the moved files.

    The recorder never makes more than one: the others were put there by hand, perhaps from a backup, together with
    `positions.json`. Ids of one data directory only grow, so the newest is the one that was being written.
    """
    strays = sorted(regular_files(folder, "*.open.db"), key=_age)[:-1]
    files = [file for path in strays for file in beside(path) if file.exists()]
    return _move(files, folder, quarantine) if files else []


def _age(path: Path) -> tuple[bool, str]:
    segment_id = path.name.removesuffix(".open.db")
    return is_segment_id(segment_id), segment_id


def _move(paths: Sequence[Path], folder: Path, quarantine: Path) -> list[str]:
    quarantine.mkdir(parents=True, exist_ok=True)
    # The segment goes last: until then a start finds it again, and repeats this.
    for path in reversed(paths):
        with suppress(
            FileNotFoundError
        ):  # SQLite removes its files when their last user closes the segment, maybe right now
            path.rename(quarantine / path.name)
    sync(quarantine)
    sync(folder)
    return [path.name for path in paths]


def create_segment(path: Path, meta: Mapping[str, str], state: SegmentState) -> None:
    """Write a segment without rows at `path`, closed and fsynced; the caller syncs the folder."""
    # The next start takes this name for a segment, so only a whole one may have it.
    new = path.with_name(f"{path.name}.draft")
    for leftover in regular_files(path.parent, f"{new.name}*"):
        leftover.unlink()
    db = connect(new, durable=False)
    try:
        make_tables(db)
        db.execute("BEGIN")
        db.executemany("INSERT INTO meta VALUES (?,?)", {**meta, STATE_VERSION_KEY: str(state.version)}.items())
        store_state(db, state)
        db.execute("COMMIT")
    finally:
        db.close()
    sync(new)
    new.rename(path)


def begin_segment(folder: Path, segment_id: str, meta: Mapping[str, str], positions_file: PositionsFile) -> OpenSegment:
    """Make an open segment where there is none, with the state and the predecessor that `positions_file` names."""
    previous, state = positions_file.previous_segment, positions_file.state.without_rows()
    new = folder / f"{segment_id}.new.db"
    create_segment(new, {**meta, "segment_id": segment_id, "previous_segment": previous}, state)
    return _open(new, PositionsFile(segment_id, previous, state))


def seal(
    segment: OpenSegment, new_id: str, meta: Mapping[str, str], state: SegmentState, sealed_us: int
) -> OpenSegment:
    """Seal the open segment and open the next one; on return `positions.json` holds `state`.

    A segment without rows, which may be of an older format, is removed instead, and has no part in the chain of segments.
    Raises SegmentBusyError, with nothing changed, while somebody reads the segment or locks it.
    """
    folder, state = segment.path.parent, state.without_rows()
    new = folder / f"{new_id}.new.db"
    previous = segment.segment_id if segment.has_rows else segment.meta["previous_segment"]
    create_segment(new, {**meta, "segment_id": new_id, "previous_segment": previous}, state)
    try:
        segment.set_meta({"sealed_at": str(sealed_us)})
        segment.checkpoint()
    except (CommitError, SegmentBusyError) as error:
        new.unlink()
        raise SegmentBusyError(f"{segment.path.name} cannot be sealed now: {error}") from error
    return _open(new, PositionsFile(new_id, previous, state), instead_of=segment)


def _open(new: Path, positions_file: PositionsFile, *, instead_of: OpenSegment | None = None) -> OpenSegment:
    folder = new.parent
    drafted = draft_positions_file(folder, positions_file)
    if instead_of is not None:
        instead_of.close()
        if instead_of.has_rows:
            instead_of.path.rename(folder / f"{instead_of.segment_id}.db")
        else:
            instead_of.path.unlink()
    opened = folder / f"{positions_file.segment_id}.open.db"
    new.rename(opened)
    drafted.replace(folder / FILE_NAME)
    sync(folder)
    return OpenSegment(opened)


def put_back(segment: OpenSegment, on_progress: OnProgress) -> OpenSegment:
    """Write the open segment again, after somebody removed its files, from those that this process holds open.

    Raises CommitError, with nothing changed, if that may be retried.
    """
    folder, path = segment.path.parent, segment.path
    copy, new = (folder / f"{segment.segment_id}.{kind}.db" for kind in ("copy", "new"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        copy.unlink(missing_ok=True)
        segment.copy_to(copy, on_progress)
        copy.rename(new)
        sync(folder)
    except OSError as error:
        raise CommitError(f"the segment cannot be put back: {error}") from error
    # Close before renaming: SQLite then removes the log by its name, which is about to be that of the copy's log.
    segment.close()
    for file in beside(path):
        file.unlink(missing_ok=True)
    new.rename(path)
    sync(folder)
    return OpenSegment(path)


def sealed_segments(folder: Path) -> list[Path]:
    """Sealed segments, oldest first."""
    return [path for path in regular_files(folder, "*.db") if path.name.count(".") == 1]
