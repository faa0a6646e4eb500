"""Sealing: from one open segment to the next, without ever having two of them or none.

1. write `B.new.db` with schema, positions and stream state as of A's last commit; close and fsync it;
2. `wal_checkpoint(TRUNCATE)` on A; if a reader keeps it busy, delete `B.new.db`, carry on with A and try again later;
3. write what becomes `positions.json`, and fsync it; close A, rename it to `A.db`, rename B to `B.open.db`, rename
   `positions.json` into its place, fsync the folder.

A new segment takes three waits for the disk, the old one's end two: a disk may need seconds for each.

At start an `.open.db` wins over a `.new.db`; without one, the `.new.db` is promoted.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path

from collector.domain.errors import CommitError, DamagedError, SegmentBusyError
from collector.domain.names import is_segment_id
from collector.storage.durable import sync
from collector.storage.regular_files import regular_files
from collector.storage.segment.database import beside, connect, damage_of
from collector.storage.segment.file_format import (
    SEGMENT_VERSION,
    STATE_VERSION_KEY,
    add_tables,
    make_tables,
    version_of,
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
    """The open segment of a data directory, after finishing what a kill left of a seal; None if there is none.

    A large one takes long to check; `on_progress` is called meanwhile.
    One of an older format becomes one of the present format; its state stays in the form it has.
    Raises NewerDataError for a segment this program is too old for, DamagedError for one that cannot be read.
    """
    opened, made = regular_files(folder, "*.open.db"), regular_files(folder, "*.new.db")
    if not opened and made:
        opened = [made[-1].with_name(made[-1].name.replace(".new.db", ".open.db"))]
        made[-1].rename(opened[0])
        sync(folder)
    for leftover in [*regular_files(folder, "*.new.db*"), *regular_files(folder, "*.copy.db*")]:
        leftover.unlink()
    if not opened:
        return None
    _bring_up_to_date(opened[0])
    segment = OpenSegment(opened[0])
    segment.check(on_progress)
    if not segment.has_rows and not _is_baseline_of(segment):
        # A kill may have come between the renames.
        write_positions(segment, segment.load())
    return segment


def _is_baseline_of(segment: OpenSegment) -> bool:
    try:
        return read_positions_file(segment.path.parent).segment_id == segment.segment_id
    except DamagedError:
        return False


def write_positions(segment: OpenSegment, state: SegmentState, *, durable: bool = True) -> None:
    """Keep beside the segments what this one began with."""
    baseline = PositionsFile(segment.segment_id, segment.meta["previous_segment"], state)
    write_positions_file(segment.path.parent, baseline, durable=durable)


def quarantine_open_segment(folder: Path, quarantine: Path) -> list[str]:
    """Move the open segment, and what SQLite keeps beside it, out of the way; returns the names."""
    return _move(regular_files(folder, "*.open.db*"), folder, quarantine)


def set_strays_aside(folder: Path, quarantine: Path) -> list[str]:
    """Of several open segments, leave the newest and move the others out of the way; returns the names of those.

    Only one is ever made: the others were put there by hand, a backup maybe, and `positions.json` with them. Ids of one
    data directory only grow, so the newest is the one that was being written.
    """
    strays = sorted(regular_files(folder, "*.open.db"), key=_age)[:-1]
    there = [file for path in strays for file in beside(path) if file.exists()]
    return _move(there, folder, quarantine) if there else []


def _age(path: Path) -> tuple[bool, str]:
    segment_id = path.name.removesuffix(".open.db")
    return is_segment_id(segment_id), segment_id


def _move(paths: Sequence[Path], folder: Path, quarantine: Path) -> list[str]:
    quarantine.mkdir(parents=True, exist_ok=True)
    # A segment itself goes behind what is beside it: until then it is found again, and this begins anew.
    for path in reversed(paths):
        with suppress(FileNotFoundError):  # what SQLite keeps goes with its last user, who may leave right now
            path.rename(quarantine / path.name)
    sync(quarantine)
    sync(folder)
    return [path.name for path in paths]


def create_segment(path: Path, meta: Mapping[str, str], state: SegmentState) -> None:
    """Write a whole segment without rows at `path`, closed and durable but for its name."""
    # Only what is whole may be found under a name that the next start takes for a segment.
    made = path.with_name(f"{path.name}.draft")
    for leftover in regular_files(path.parent, f"{made.name}*"):
        leftover.unlink()
    db = connect(made, durable=False)
    try:
        make_tables(db)
        db.execute("BEGIN")
        db.executemany("INSERT INTO meta VALUES (?,?)", {**meta, STATE_VERSION_KEY: str(state.version)}.items())
        store_state(db, state)
        db.execute("COMMIT")
    finally:
        db.close()
    sync(made)
    made.rename(path)


def begin_segment(folder: Path, segment_id: str, meta: Mapping[str, str], baseline: PositionsFile) -> OpenSegment:
    """Make an open segment where there is none, with the state and behind the segment that `baseline` names."""
    ids = {"segment_id": segment_id, "previous_segment": baseline.previous_segment}
    made = folder / f"{segment_id}.new.db"
    create_segment(made, {**meta, **ids}, baseline.state)
    return _open(made, PositionsFile(segment_id, baseline.previous_segment, baseline.state))


def seal(
    segment: OpenSegment, new_id: str, meta: Mapping[str, str], state: SegmentState, sealed_us: int
) -> OpenSegment:
    """Seal the open segment and open the next one; on return `positions.json` holds `state`.

    Raises SegmentBusyError, with nothing changed, while somebody reads the segment or holds its lock.
    """
    folder = segment.path.parent
    made = folder / f"{new_id}.new.db"
    create_segment(made, {**meta, "segment_id": new_id, "previous_segment": segment.segment_id}, state)
    try:
        segment.set_meta({"sealed_at": str(sealed_us)})
        segment.checkpoint()
    except (CommitError, SegmentBusyError) as error:
        made.unlink()
        raise SegmentBusyError(f"{segment.path.name} cannot be sealed now: {error}") from error
    return _open(made, PositionsFile(new_id, segment.segment_id, state), instead_of=segment)


def _open(made: Path, baseline: PositionsFile, *, instead_of: OpenSegment | None = None) -> OpenSegment:
    folder = made.parent
    positions = draft_positions_file(folder, baseline)
    if instead_of is not None:
        instead_of.close()
        instead_of.path.rename(folder / f"{instead_of.segment_id}.db")
    opened = folder / f"{baseline.segment_id}.open.db"
    made.rename(opened)
    positions.replace(folder / FILE_NAME)
    sync(folder)
    return OpenSegment(opened)


def put_back(segment: OpenSegment, on_progress: OnProgress) -> OpenSegment:
    """Put the open segment, whose files somebody removed, in its place again: a copy of what this process holds open.

    Raises CommitError, with nothing changed, where that may be tried again.
    """
    folder, path = segment.path.parent, segment.path
    copy, made = (folder / f"{segment.segment_id}.{kind}.db" for kind in ("copy", "new"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        copy.unlink(missing_ok=True)
        segment.copy_to(copy, on_progress)
        copy.rename(made)
        sync(folder)
    except OSError as error:
        raise CommitError(f"the segment cannot be put back: {error}") from error
    # First: as it leaves, SQLite removes the log by its name, which will be that of the copy's own.
    segment.close()
    for file in beside(path):
        file.unlink(missing_ok=True)
    made.rename(path)
    sync(folder)
    return OpenSegment(path)


def sealed_segments(folder: Path) -> list[Path]:
    """Sealed segments, oldest first."""
    return [path for path in regular_files(folder, "*.db") if path.name.count(".") == 1]


def _bring_up_to_date(path: Path) -> None:
    with damage_of(path):
        with closing(sqlite3.connect(path)) as db:
            version = version_of(db, path)
        if version < SEGMENT_VERSION:
            with closing(connect(path)) as db:
                add_tables(db, version)
