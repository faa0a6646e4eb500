"""What was pruned is written down, and whoever reads manifests names it as pruned, never as missing."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.domain.errors import ConfigError
from collector.domain.names import pruned_key
from collector.domain.records import StreamKey
from collector.read.ledger.gaps import read
from collector.storage.archive.catalog import find_whole, received_until
from collector.storage.archive.manifest import Manifest, ManifestObject
from collector.storage.archive.pruned import VERSION, PrunedDay
from collector.storage.archive.restore import Selection
from collector.storage.archive.verify import Finding, Verification
from collector.storage.store.directory import DirectoryStore
from collector.tools.restore import restore
from collector.tools.verify_archive import verify
from tests.storage.archive.archive_files import IDS, archive
from tests.storage.archive.pruned_files import AT, put_record, record_pruned
from tests.storage.segment.segment_files import TRADES, make_gap, message, trade

DAY = "2026-11-23"
ALL = Selection("2026-01-01T00:00:00.000000Z", "2027-01-01T00:00:00.000000Z")


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "archive")


@pytest.fixture
def segments(store: DirectoryStore, tmp_path: Path) -> list[Manifest]:
    """Two segments of one day, each with a trade and a gap."""
    return [
        archive(
            store, tmp_path / f"made{number}", [message(0, number, trade(number))],
            gaps=[("toy", "BTC/USD", make_gap())], segment_id=IDS[number],
            previous_segment=IDS[number - 1] if number else "",
        )
        for number in range(2)
    ]  # fmt: skip


def trades(segments: list[Manifest]) -> list[ManifestObject]:
    return [entry for manifest in segments for entry in manifest.objects if entry.data_type == "trade"]


def prune(store: DirectoryStore, tmp_path: Path, entries: list[ManifestObject]) -> None:
    record_pruned(store, tmp_path, entries)
    for entry in entries:
        (tmp_path / "archive" / entry.key).unlink()


def test_a_record_says_what_went_when_and_how_much(
    store: DirectoryStore, segments: list[Manifest], tmp_path: Path
) -> None:
    record_pruned(store, tmp_path, trades(segments))
    content = json.loads((tmp_path / "archive/_manifest/pruned/2026-11-23.json").read_text("utf-8"))
    entries = trades(segments)
    assert content == {
        "version": VERSION,
        "date": DAY,
        "prunings": [
            {
                "at": AT,
                "collector_version": "0",
                "rows": 2,
                "bytes": sum(entry.bytes for entry in entries),
                "keys": [entry.key for entry in entries],
            }
        ],
    }


def test_pruned_objects_are_counted_as_pruned_and_the_rest_verifies(
    store: DirectoryStore, segments: list[Manifest], tmp_path: Path
) -> None:
    prune(store, tmp_path, trades(segments))
    verification = Verification(store)
    assert list(verification.findings()) == []
    assert (dict(verification.pruned_objects), dict(verification.pruned_rows)) == ({DAY: 2}, {DAY: 2})
    assert (verification.segments, verification.objects, verification.rows) == (2, 2, 2)


def test_verify_names_each_day_of_which_something_was_pruned_and_finds_nothing_wrong(
    store: DirectoryStore, segments: list[Manifest], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prune(store, tmp_path, trades(segments))
    assert verify(store, deep=True) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"pruned   {DAY}: 2 objects with 2 rows"
    assert lines[1].endswith("verified; nothing found")


def test_a_pruned_object_that_is_still_there_is_said_and_is_no_fault(
    store: DirectoryStore, segments: list[Manifest], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone, left = trades(segments)
    record_pruned(store, tmp_path, [gone, left])
    (tmp_path / "archive" / gone.key).unlink()
    assert list(Verification(store).findings()) == [Finding("leftover", left.key, "it was pruned, but is still there")]
    assert verify(store, deep=False) == 0
    assert "1 pruned objects are still there" in capsys.readouterr().out


def test_an_object_that_is_pruned_during_the_check_is_not_missing(
    store: DirectoryStore, segments: list[Manifest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = store.keys
    listed: list[str] = []

    def and_then_a_prune_goes_by(prefix: str) -> Iterator[str]:
        answer = list(keys(prefix))
        listed.append(prefix)
        if listed == ["", "_manifest/", "_manifest/pruned/"]:
            prune(store, tmp_path, trades(segments))
        return iter(answer)

    monkeypatch.setattr(store, "keys", and_then_a_prune_goes_by)
    verification = Verification(store)
    assert list(verification.findings()) == []
    assert len(listed) == 3
    assert dict(verification.pruned_objects) == {DAY: 2}


def test_an_object_that_is_gone_and_in_no_record_is_missing(
    store: DirectoryStore, segments: list[Manifest], tmp_path: Path
) -> None:
    pruned, lost = trades(segments)
    prune(store, tmp_path, [pruned])
    (tmp_path / "archive" / lost.key).unlink()
    assert list(Verification(store).findings()) == [Finding("missing", lost.key, "it had 1 rows")]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"{", "not a record of pruned objects"),
        (b"\xff", "not a record of pruned objects"),
        (PrunedDay(VERSION + 1, DAY, []).encode(), "a record of version 2"),
        (PrunedDay(VERSION, "2026-11-24", []).encode(), "the record of 2026-11-24"),
    ],
    ids=["cut", "no text", "of a newer program", "of another date"],
)
def test_a_record_that_cannot_be_used_is_a_finding_and_proves_nothing(
    store: DirectoryStore, segments: list[Manifest], tmp_path: Path, content: bytes, text: str
) -> None:
    (tmp_path / "archive" / trades(segments)[0].key).unlink()
    put_record(store, tmp_path, DAY, content)
    found = list(Verification(store).findings())
    assert [finding.kind for finding in found] == ["missing", "damaged"]
    assert found[1].key == pruned_key(DAY)
    assert text in found[1].text


def test_a_segment_of_which_objects_were_pruned_is_still_whole(
    store: DirectoryStore, segments: list[Manifest], tmp_path: Path
) -> None:
    """The archiver asks so; it must not bring back what a person removed."""
    prune(store, tmp_path, trades(segments)[:1])
    assert find_whole(store, IDS[0]) == segments[0]
    assert received_until(store, "host-1", IDS[1]), "the manifest stays, and what it says of times"
    (tmp_path / "archive" / trades(segments)[1].key).unlink()
    assert find_whole(store, IDS[1]) is None


def test_a_restore_names_what_was_pruned_and_its_copy_verifies(
    store: DirectoryStore, segments: list[Manifest], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prune(store, tmp_path, trades(segments)[:1])
    assert restore(store, ALL, tmp_path / "dest") == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{DAY}: 1 objects were pruned"
    assert lines[-1].endswith("1 objects pruned; no problems")
    verification = Verification(DirectoryStore(tmp_path / "dest"))
    assert list(verification.findings()) == []
    assert verification.objects == 3


def test_a_restore_of_streams_of_which_nothing_was_pruned_says_nothing_of_it(
    store: DirectoryStore, segments: list[Manifest], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prune(store, tmp_path, trades(segments))
    chosen = ALL._replace(data_types=frozenset({"book_delta"}))
    assert restore(store, chosen, tmp_path / "dest") == 0
    assert "pruned" not in capsys.readouterr().out


def test_a_restore_of_a_time_that_was_pruned_says_so(store: DirectoryStore, tmp_path: Path) -> None:
    manifest = archive(store, tmp_path / "made", [message(0, 1, trade(1))])
    prune(store, tmp_path, manifest.objects)
    with pytest.raises(ConfigError, match="has nothing of that time: it was pruned"):
        restore(store, ALL, tmp_path / "dest")


def test_the_gap_ledger_stays_and_pruned_messages_are_not_counted(
    store: DirectoryStore, segments: list[Manifest], tmp_path: Path
) -> None:
    stream = StreamKey(*TRADES)
    before = read(store, None)
    assert before.messages("2026", "2027")[stream] == 2
    prune(store, tmp_path, trades(segments)[:1])
    after = read(store, None)
    assert (after.rows(), after.unread) == (before.rows(), [])
    assert after.messages("2026", "2027")[stream] == 1
