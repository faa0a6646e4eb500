"""Compacts an archive day by day. Changes the tree of day files only."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import NamedTuple

from collector.compaction.day import Trees, compact_day
from collector.compaction.plan import DayPlan, planned
from collector.compaction.survey import Survey
from collector.domain.errors import DamagedError
from collector.domain.records import StreamKey
from collector.storage.archive.days import HostDate
from collector.storage.store.alone import alone_in
from collector.storage.store.object_store import ObjectStore
from collector.storage.store.open import folder_of


class DayResult(NamedTuple):
    """What became of a day of a host, or what would."""

    date: str
    host: str
    generation: int
    """0: no new one."""
    files: int
    """Day files that were made; others of the day had all rows already."""
    rows: int
    bytes: int
    replaced_objects: int
    """The archive's objects that are in the files that were made."""
    replaced_bytes: int
    left: list[str]
    """What of the day stays in the archive's own files, and why."""
    refused: list[str]
    """Why the day stays as it is."""


class How(NamedTuple):
    """How days are compacted. `dry` ones are only looked at."""

    wants: Callable[[StreamKey], bool]
    compression_level: int
    dry: bool


def alone(daily: ObjectStore) -> AbstractContextManager[None]:
    """Keep out a second compaction of a folder. In a bucket two do no harm: each writes under names of its own.

    Raises StoreError while another one is at work.
    """
    folder = folder_of(daily.url)
    return nullcontext() if folder is None else alone_in(folder)


class Ticks(NamedTuple):
    """What is called after each file, and after each day."""

    file: Callable[[], None] = lambda: None
    day: Callable[[], None] = lambda: None


def compacted(trees: Trees, survey: Survey, how: How, ticks: Ticks) -> Iterator[DayResult]:
    """Compact every day of the survey, the oldest first; none for days with nothing to do. Raises StoreError."""
    with tempfile.TemporaryDirectory(prefix="collector-compact-") as scratch:
        for day in survey.days():
            result = _day(day, trees, survey, how, Path(scratch), ticks)
            ticks.day()
            if result is not None:
                yield result


def _day(day: HostDate, trees: Trees, survey: Survey, how: How, scratch: Path, ticks: Ticks) -> DayResult | None:
    if day.date in survey.damage:
        return _refused(day, survey.damage[day.date])
    try:
        plan, left = planned(survey.found(day), how.wants)
        if plan is None:
            return _nothing(day, left) if left else None
        if how.dry:
            return _result(plan, left, {})
        manifest = compact_day(plan, trees, how.compression_level, scratch, ticks.file)
    except DamagedError as error:
        return _refused(day, [str(error)])
    return _result(plan, left, {entry.key: entry.bytes for entry in manifest.objects})


def _result(plan: DayPlan, left: list[str], sizes: dict[str, int]) -> DayResult:
    sources = [entry for file in plan.files for entry in file.sources]
    before = [file.before for file in plan.files if file.before is not None]
    kept = {entry.key for entry in plan.kept}
    return DayResult(
        date=plan.day.date,
        host=plan.day.host,
        generation=plan.generation,
        files=len(plan.files),
        rows=sum(entry.rows for entry in [*sources, *before]),
        bytes=sum(size for key, size in sizes.items() if key not in kept),
        replaced_objects=len(sources),
        replaced_bytes=sum(entry.bytes for entry in sources),
        left=left,
        refused=[],
    )


def _nothing(day: HostDate, left: list[str]) -> DayResult:
    return DayResult(day.date, day.host, 0, 0, 0, 0, 0, 0, left, [])


def _refused(day: HostDate, reasons: list[str]) -> DayResult:
    return DayResult(day.date, day.host, 0, 0, 0, 0, 0, 0, [], reasons)
