"""Which streams of a day can have a day file. Rules on values."""

import pytest

from collector.compaction.plan import took_turns
from collector.storage.archive.manifest import ManifestObject


def at(first: int, last: int) -> ManifestObject:
    """An object received between these hours."""
    begin, end = (f"2026-11-23T{hour:02}:00:00.000000Z" for hour in (first, last))
    return ManifestObject("k", 1, 1, "0", "e", "trade", "s", "2026-11-23", begin, end, None, None)


@pytest.mark.parametrize(
    ("own", "others", "expected"),
    [
        ([at(0, 9), at(15, 23)], [at(10, 14)], True),
        ([at(10, 14)], [at(0, 9), at(15, 23)], False),
        ([at(0, 9), at(10, 23)], [at(0, 23)], False),
        ([at(0, 9), at(15, 23)], [at(8, 14)], False),
        ([at(0, 9)], [at(10, 23)], False),
        ([at(0, 9), at(10, 23)], [], False),
    ],
    ids=["between two", "around it", "beside it", "overlapping", "behind it", "alone"],
)
def test_hosts_that_took_turns_are_told_from_hosts_that_recorded_together(
    own: list[ManifestObject], others: list[ManifestObject], *, expected: bool
) -> None:
    assert took_turns(own, others) is expected
