"""An archive of two days for compactions: a segment an hour apart, one that spans midnight, a gap, another host's."""

from pathlib import Path
from typing import Final

import pyarrow as pa
from pyarrow import parquet as pq

from collector.compaction.compaction import DayResult, How, Ticks, compacted
from collector.compaction.day import Trees
from collector.compaction.survey import Dates, Survey
from collector.domain.names import manifest_key
from collector.domain.records import Gap, StreamKey
from collector.storage.archive.days import counting
from collector.storage.archive.manifest import Manifest, ManifestObject, decode_manifest
from collector.storage.archive.old_days import OldDays
from collector.storage.archive.prune import Prune
from collector.storage.archive.prune_rules import PruneSelection
from collector.storage.store.deleting import DeletingDirectoryStore
from collector.storage.store.directory import DirectoryStore
from collector.storage.store.object_store import ObjectStore
from collector.storage.store.open import folder_of
from tests.storage.archive.archive_files import archive
from tests.storage.archive.old_archive import book
from tests.storage.segment.segment_files import DAY_US, NOON_US, Message, make_gap, message, trade

FIRST, SECOND = "2026-11-23", "2026-11-24"
ALL: Final = Dates("0001-01-01", SECOND)
TRADES, BOOK = StreamKey("binance", "BTCUSDT", "trade"), StreamKey("binance", "BTCUSDT", "book_delta")
IDS: Final = (
    "20261123T120000Z-4f2a9c",
    "20261123T130000Z-4f2a9c",
    "20261123T233000Z-4f2a9c",
    "20261124T120000Z-4f2a9c",
)
LATE_ID: Final = "20261124T130000Z-4f2a9c"
OTHER_ID: Final = "20261123T130000Z-0000ff"
HOUR_US: Final = 3_600_000_000


def of_each(ids: list[int], received_us: int, **changed: int) -> list[Message]:
    """Trades and updates of the book with these ids, a second apart."""
    return [
        message(
            stream,
            id_,
            trade(id_) if stream == 0 else book(id_),
            received_us=received_us + index * 1_000_000,
            **changed,
        )
        for stream in (0, 1)
        for index, id_ in enumerate(ids)
    ]


def fill(store: ObjectStore, folder: Path) -> list[Manifest]:
    """Four segments of one host, then another host's."""
    midnight = NOON_US + DAY_US // 2
    parts = [
        of_each([1, 2, 5], NOON_US),
        of_each([3, 6, 7], NOON_US + HOUR_US),
        [*of_each([8, 9], midnight - 10_000_000), *of_each([10, 11], midnight + 1_000_000)],
        of_each([20, 21], NOON_US + DAY_US),
    ]
    made = []
    for number, (segment_id, messages) in enumerate(zip(IDS, parts, strict=True)):
        gaps = [("binance", "BTCUSDT", make_gap())] if number == 0 else []
        made.append(_segment(store, folder, segment_id, messages, gaps, IDS[number - 1] if number else ""))
    made.append(_segment(store, folder, OTHER_ID, of_each([1, 2], NOON_US), [], "", host="host-2"))
    return made


def add_late(store: ObjectStore, folder: Path) -> Manifest:
    """A segment of the second day with a trade that was fetched for the first day, between two that it has."""
    late = message(0, 4, trade(4), received_us=NOON_US + DAY_US + HOUR_US, exchange_us=NOON_US + 30_000_000, line=-1)
    return _segment(store, folder, LATE_ID, [late], [], IDS[-1])


def replace_first(store: ObjectStore, folder: Path) -> None:
    """The first segment again under its name, as another version reads it: a trade more, and no updates of the book."""
    trades = [message(0, id_, trade(id_), received_us=NOON_US + id_ * 1_000_000) for id_ in (1, 2, 4, 5)]
    for entry in decode_manifest(store.read(manifest_key("host-1", IDS[0])) or b"").objects:
        DeletingDirectoryStore(folder_of(store.url) or folder).delete(entry.key)
    _segment(store, folder / "again", IDS[0], trades, [], "")


def add_turns(store: ObjectStore, folder: Path, hosts: str = "ab") -> None:
    """A host that records for an hour between two hours of another; only the hours of `hosts`."""
    for host, segment_id, ids, hour in (
        ("a", "20261122T010000Z-4f2a9c", [1, 2], 0),
        ("b", "20261122T020000Z-4f2a9c", [3, 4], 1),
        ("a", "20261122T030000Z-4f2a9c", [5, 6], 2),
    ):
        messages = of_each(ids, NOON_US - DAY_US + hour * HOUR_US)
        if host in hosts:
            _segment(store, folder, segment_id, messages, [], "", host)


def _segment(
    store: ObjectStore,
    folder: Path,
    segment_id: str,
    messages: list[Message],
    gaps: list[tuple[str, str, Gap]],
    previous: str,
    host: str = "host-1",
) -> Manifest:
    return archive(
        store, folder / f"{host}-{segment_id}", messages, (TRADES, BOOK), gaps,
        segment_id=segment_id, previous_segment=previous, host=host,
    )  # fmt: skip


def compact(
    trees: Trees, dates: Dates = ALL, *, symbol: str = "", data_type: str = "", dry: bool = False
) -> list[DayResult]:
    """Compact; the result of each day."""
    survey = Survey(*trees, dates)
    survey.look(lambda _: None)
    how = How(lambda stream: symbol in {"", stream.symbol} and data_type in {"", stream.data_type}, 3, dry)
    return list(compacted(trees, survey, how, Ticks()))


def compacted_trees(folder: Path) -> Trees:
    """An archive of two days in the folder, and its day files."""
    daily = DirectoryStore(folder / "archive-daily")
    daily.check()
    found = Trees(DirectoryStore(folder / "archive"), daily)
    fill(found.archive, folder / "made")
    compact(found)
    return found


def counting_manifests(daily: ObjectStore) -> list[Manifest]:
    """The manifests that count."""
    found = [daily.read(key) for key in counting(daily.keys("_manifest/date=")).values()]
    return [decode_manifest(content) for content in found if content is not None]


def day_objects(daily: ObjectStore, stream: StreamKey, date: str, host: str = "host-1") -> list[ManifestObject]:
    """The day files of a stream that count."""
    return [
        entry
        for manifest in counting_manifests(daily)
        for entry in manifest.objects
        if manifest.host == host
        and (entry.exchange, entry.symbol, entry.data_type, entry.date) == (*stream, date)
    ]  # fmt: skip


def rows_of(store: ObjectStore, entries: list[ManifestObject], folder: Path) -> pa.Table:
    """The rows of objects, one after another."""
    tables = []
    for entry in entries:
        path = folder / "object.parquet"
        store.fetch(entry.key, path)
        with pq.ParquetFile(path) as file:
            tables.append(file.read())
    return pa.concat_tables(tables)


def prune(folder: Path, before_date: str) -> None:
    """Remove the objects of the days before a date."""
    store = DeletingDirectoryStore(folder)
    selection = PruneSelection(before_date)
    old = OldDays(store, selection)
    old.look(lambda _: None)
    for result in Prune(store, old, selection, lambda: "2027-01-01T00:00:00.000000Z", dry=False).days(lambda _: None):
        assert result.refused == []
