"""Names of day files: they read as an archive's, tell generations apart, and say which counts."""

from pathlib import Path

import msgspec
import pytest

from collector.domain.names import is_segment_id, manifest_key, object_key
from collector.storage.archive.days import HostDate, counting, day_id, is_day_id, is_earlier_generation, manifest_name
from collector.storage.archive.lenient_manifest import read_manifest
from collector.storage.archive.manifest import Manifest, ManifestObject
from collector.storage.store.directory import DirectoryStore

DATE, HOST = "2026-11-23", "host-1"
FIRST, SECOND = day_id(DATE, 1, "4f2a9c"), day_id(DATE, 2, "000001")


def test_the_id_of_a_generation_has_the_form_of_a_segments_and_ids_sort_by_generation() -> None:
    assert FIRST == "20261123T000001Z-4f2a9c"
    assert is_segment_id(FIRST)
    assert FIRST < SECOND < day_id("2026-11-24", 1, "000000")


def test_of_each_host_and_date_the_last_generation_counts() -> None:
    keys = [manifest_key(host, one) for host in (HOST, "b") for one in (SECOND, FIRST)]
    other = manifest_key(HOST, day_id("2026-11-24", 1, "000000"))
    assert counting([*keys, other, "_manifest/date=x/strange.json"]) == {
        HostDate(HOST, DATE): manifest_key(HOST, SECOND),
        HostDate("b", DATE): manifest_key("b", SECOND),
        HostDate(HOST, "2026-11-24"): other,
    }


@pytest.mark.parametrize("host", ["a", "a-b-c", "1.2_3"])
def test_host_and_id_are_read_from_a_key(host: str) -> None:
    assert manifest_name(manifest_key(host, FIRST)) == (host, FIRST)


def test_only_ids_of_the_same_day_are_earlier_generations() -> None:
    assert is_earlier_generation(FIRST, SECOND)
    assert not is_earlier_generation(SECOND, FIRST)
    assert not is_earlier_generation(day_id("2026-11-22", 1, "000000"), FIRST)
    assert not is_earlier_generation("nothing", FIRST)


def test_an_id_of_the_first_minute_of_a_day_may_be_of_a_generation() -> None:
    assert is_day_id(FIRST)
    assert is_day_id(day_id(DATE, 59, "4f2a9c"))
    assert not any(map(is_day_id, ("20261123T000000Z-4f2a9c", "20261123T010001Z-4f2a9c", "nothing")))


@pytest.mark.parametrize(
    ("segment_id", "host", "generation", "sound"),
    [
        (FIRST, HOST, 2, True),
        (FIRST, HOST, 0, False),
        (FIRST, "host-2", 2, False),
        (day_id(DATE, 3, "000001"), HOST, 2, False),
    ],
    ids=["an earlier one", "of a segment", "another host's", "a later one"],
)
def test_a_manifest_of_day_files_may_name_those_of_an_earlier_generation_and_no_others(
    tmp_path: Path, segment_id: str, host: str, generation: int, *, sound: bool
) -> None:
    time = f"{DATE}T12:00:00.000000Z"
    entry = ManifestObject("", 1, 1, "0" * 64, "toy", "trade", "s", DATE, time, time, None, None)
    entry = msgspec.structs.replace(entry, key=object_key(entry.partition, host, segment_id))
    manifest = Manifest(2, "0", SECOND, None, HOST, time, time, 1, 0, [entry], generation)
    path = tmp_path / manifest_key(HOST, SECOND)
    path.parent.mkdir(parents=True)
    path.write_bytes(manifest.encode())
    report = read_manifest(DirectoryStore(tmp_path), manifest_key(HOST, SECOND))
    assert bool(report.sound) is sound
