"""An archive of three days for prunes: two hosts, two streams, a gap, and a segment that spans two dates."""

import json
from pathlib import Path

from collector.domain.records import StreamKey
from collector.storage.archive.manifest import Manifest, ManifestObject
from collector.storage.archive.old_days import OldDays
from collector.storage.archive.prune import DayResult, Prune
from collector.storage.archive.prune_rules import PruneSelection
from collector.storage.store.deleting import DeletingStore
from tests.storage.archive.archive_files import archive
from tests.storage.segment.segment_files import DAY_US, NOON_US, Message, make_gap, message, trade

FIRST, SECOND, THIRD = "2026-11-23", "2026-11-24", "2026-11-25"
IDS = ("20261123T120000Z-4f2a9c", "20261123T233000Z-4f2a9c", "20261124T120000Z-4f2a9c", "20261125T120000Z-4f2a9c")
OTHER_ID = "20261123T130000Z-0000ff"
STREAMS = (StreamKey("toy", "BTC/USD", "trade"), StreamKey("toy", "BTC/USD", "book_delta"))
AT = "2027-03-01T00:00:00.000000Z"
ALL_OLD = PruneSelection(THIRD)
"""The first two days."""


def fill(store: DeletingStore, folder: Path) -> list[Manifest]:
    """One host's segments: noon of the first day, that day's midnight, noon of the second and of the third; then another's."""
    noons = [NOON_US, NOON_US + DAY_US // 2, NOON_US + DAY_US, NOON_US + 2 * DAY_US]
    made = []
    for number, (segment_id, noon_us) in enumerate(zip(IDS, noons, strict=True)):
        messages = [*two_of_each(number * 10, noon_us - 1_000_000), *two_of_each(number * 10 + 5, noon_us + 1_000_000)]
        gaps = [("toy", "BTC/USD", make_gap())] if number == 0 else []
        previous = IDS[number - 1] if number else ""
        made.append(
            archive(
                store, folder / str(number), messages, STREAMS, gaps, segment_id=segment_id, previous_segment=previous
            )
        )
    other = two_of_each(70, NOON_US)
    made.append(archive(store, folder / "other", other, STREAMS, segment_id=OTHER_ID, host="host-2"))
    return made


def book(id_: int) -> bytes:
    """An update of the book as the toy exchange says it."""
    return json.dumps({"U": id_, "u": id_, "b": [["64000.1", "0.5"]], "a": []}).encode()


def two_of_each(first_id: int, received_us: int) -> list[Message]:
    """Two trades and two updates of the book."""
    return [
        message(stream, id_, trade(id_) if stream == 0 else book(id_), received_us=received_us)
        for stream in (0, 1)
        for id_ in (first_id, first_id + 1)
    ]


def entries_of(made: list[Manifest], date: str, *data_types: str) -> list[ManifestObject]:
    """The objects of a date, by key; of all types but the gap ledger's unless some are named."""
    found = [entry for manifest in made for entry in manifest.objects if entry.date == date]
    wanted = data_types or ("trade", "book_delta")
    return sorted((entry for entry in found if entry.data_type in wanted), key=lambda entry: entry.key)


def keys_of(made: list[Manifest], date: str, *data_types: str) -> list[str]:
    """Their keys."""
    return [entry.key for entry in entries_of(made, date, *data_types)]


def pruned(store: DeletingStore, selection: PruneSelection = ALL_OLD, *, dry: bool = False) -> dict[str, DayResult]:
    """Prune; the result of each day, by date."""
    old = OldDays(store, selection)
    old.look(lambda _total: None)
    return {result.date: result for result in Prune(store, old, selection, lambda: AT, dry=dry).days(lambda _: None)}
