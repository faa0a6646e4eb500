import ast
import hashlib
import importlib
import json
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from time import time_ns
from types import ModuleType
from typing import Any, NamedTuple

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from collector.cli import run_command
from collector.domain.names import ObjectPartition, manifest_key, object_key
from collector.domain.records import Gap, StreamKey
from collector.read.demo_mark import write_mark
from collector.storage.archive.manifest import Manifest, ManifestObject, decode_manifest
from collector.storage.archive.schema import GAP_SCHEMA
from collector.storage.segment.open_segment import OpenSegment
from collector.storage.segment.seal import create_segment
from collector.storage.segment.state import EMPTY_STATE, Commit, StreamRow
from tests.seaweed import Seaweed

ROOT = Path(__file__).parent.parent.parent
TOOL = ROOT / "scripts" / "show_gaps.py"
DEADLINE_SECS = 60.0
NOON_US = 1_795_435_200_000_000  # 2026-11-23T12:00:00Z
SEGMENT_ID = "20261123T120000Z-4f2a9c"


def gap(gap_id: str = "a1", **changed: Any) -> Gap:
    """A hole of three ids at noon."""
    return Gap(
        gap_id, "trade", "sequence", "disconnect", "7", "10", 3,
        NOON_US, NOON_US + 1_500_000, None, "unrepairable", None, NOON_US + 2_000_000,
    )._replace(**changed)  # fmt: skip


def archive(
    store: Path, *gaps: Gap, exchange: str = "binance", symbol: str = "BTCUSDT", segment: str = SEGMENT_ID
) -> Path:
    """Put an object with these rows into an archive folder, and into its segment's manifest."""
    one = described(segment, exchange, "gap", symbol, len(gaps))
    path = store / one.key
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist([row._asdict() for row in gaps], GAP_SCHEMA), path)
    add_to_manifest(store, segment, one)
    return path


def described(
    segment: str, exchange: str, data_type: str, symbol: str, rows: int, at: str | None = None
) -> ManifestObject:
    """An object as a manifest names it; `at` is when all of its rows were received."""
    key = object_key(ObjectPartition(exchange, data_type, symbol, "2026-11-23"), "box", segment)
    return ManifestObject(key, rows, 1, "0" * 64, exchange, data_type, symbol, "2026-11-23", at, at, None, None)


def add_to_manifest(store: Path, segment: str, *objects: ManifestObject) -> None:
    """Say that a segment holds these too."""
    path = store / manifest_key("box", segment)
    path.parent.mkdir(parents=True, exist_ok=True)
    held = decode_manifest(path.read_bytes()).objects if path.exists() else []
    manifest = Manifest(1, "0", segment, None, "box", "", "", 0, 0, [*held, *objects])
    path.write_bytes(manifest.encode())


def open_segment(data_dir: Path, *gaps: Gap, exchange: str = "binance", symbol: str = "BTCUSDT") -> OpenSegment:
    """An open segment as a running writer holds it."""
    path = data_dir / "segments" / f"{SEGMENT_ID}.open.db"
    path.parent.mkdir(parents=True, exist_ok=True)
    create_segment(path, {"segment_id": SEGMENT_ID}, EMPTY_STATE)
    segment = OpenSegment(path)
    segment.store(Commit([], [], [(exchange, symbol, row) for row in gaps], [], {}, []))
    return segment


class Shown(NamedTuple):
    """What the tool did."""

    code: str | int | None
    out: str
    err: str

    @property
    def ids(self) -> list[str]:
        """The gaps it printed as JSON."""
        return [row["gap_id"] for row in self.gaps]

    @property
    def gaps(self) -> list[dict[str, Any]]:
        """The same, whole."""
        found: list[dict[str, Any]] = json.loads(self.out)["gaps"]
        return found

    @property
    def streams(self) -> dict[str, dict[str, Any]]:
        """What it printed of each stream."""
        return {" ".join((one["symbol"], one["data_type"])): one for one in json.loads(self.out)["streams"]}


class Run:
    """Runs the tool in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._patch = monkeypatch
        self._capsys = capsys

    def __call__(self, *arguments: str | Path, columns: int | None = None) -> Shown:
        """Run it with its output in a pipe, or on a terminal without colours that is so wide."""
        if columns is not None:
            for name, value in {"TTY_COMPATIBLE": 1, "TERM": "dumb", "COLUMNS": columns, "LINES": 25}.items():
                self._patch.setenv(name, str(value))
        try:
            code: str | int | None = run_command("gaps", TOOL.name, [*map(str, arguments)])
        except SystemExit as end:
            code = end.code
        return Shown(code, *self._capsys.readouterr())


def ledger() -> ModuleType:
    return importlib.import_module("collector.read.ledger.gaps")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(ROOT / "scripts")
    return Run(monkeypatch, capsys)


def test_json_holds_the_columns_of_the_ledger_and_the_stream(run: Run, tmp_path: Path) -> None:
    archive(tmp_path, gap(ended_at=None), symbol="BTC/USD")
    shown = run(tmp_path, "--rows", "--json")
    assert (shown.code, shown.err) == (0, "")
    assert shown.gaps == [
        {
            "exchange": "binance", "symbol": "BTC/USD", "gap_id": "a1", "stream_type": "trade", "kind": "sequence",
            "cause": "disconnect", "expected_id": "7", "actual_id": "10", "missing": 3,
            "started_at": "2026-11-23T12:00:00.000000Z", "ended_at": None, "line": None, "status": "unrepairable",
            "repaired_by": None, "detected_at": "2026-11-23T12:00:02.000000Z",
        }
    ]  # fmt: skip


def test_the_table_shows_the_stretch_the_time_and_the_cause(run: Run, tmp_path: Path) -> None:
    archive(tmp_path, gap(), gap("b2", kind="silence", expected_id=None, actual_id=None, missing=None, ended_at=None,
                                 started_at=NOON_US + 1, status="open"))  # fmt: skip
    shown = run(tmp_path, "--rows").out
    assert [" ".join(line.split()) for line in shown.splitlines()][:4] == [
        "started lasted stream kind, cause missing status expected, found",
        "2026-11-23 12:00:00 UTC 1.5 s binance BTCUSDT trade sequence, disconnect 3 unrepairable 7, 10",
        "2026-11-23 12:00:00 UTC still binance BTCUSDT trade silence, disconnect ? open",
        "2 gaps, 1 open",
    ]


@pytest.mark.parametrize("columns", [80, 120])
def test_rows_fit_the_terminal_and_words_stay_whole(run: Run, tmp_path: Path, columns: int) -> None:
    archive(tmp_path, gap(stream_type="book_snapshot", kind="duplicate_conflict", status="partly_repaired",
                          expected_id="123456789012", actual_id="123456789099", missing=1_234_567))  # fmt: skip
    shown = run(tmp_path, "--rows", columns=columns).out
    assert max(len(line) for line in shown.splitlines()) <= columns
    for word in ("BTCUSDT", "book_snapshot", "duplicate", "conflict,", "disconnect", "1,234,567", "repaired"):
        assert word in shown
    assert ("123456789099" in shown) is (columns == 120)


def test_text_from_an_exchange_is_escaped(run: Run, tmp_path: Path) -> None:
    archive(tmp_path, gap(expected_id="\x1b[31m7", actual_id="[red]"), symbol="B\x1b]0;owned\x07T")
    shown = run(tmp_path, "--rows", columns=200).out
    assert "\x1b" not in shown
    assert r"B\x1b]0;owned\x07T" in shown
    assert r"\x1b[31m7, [red]" in shown


def test_only_the_latest_row_of_a_gap_counts(run: Run, tmp_path: Path) -> None:
    first, repaired = gap(status="open"), gap(status="repaired", detected_at=NOON_US + 9_000_000)
    archive(tmp_path, repaired, segment="20261123T120000Z-000001")
    archive(tmp_path, first, segment="20261123T130000Z-000001")
    assert [row["status"] for row in run(tmp_path, "--rows", "--json").gaps] == ["repaired"]
    assert run(tmp_path, "--rows", "--json", "--open").ids == []


def test_the_same_id_at_another_symbol_is_another_gap(run: Run, tmp_path: Path) -> None:
    archive(tmp_path, gap())
    archive(tmp_path, gap(), symbol="ETHUSDT")
    assert run(tmp_path, "--rows", "--json").ids == ["a1", "a1"]


def test_filters_choose_by_exchange_symbol_and_status(run: Run, tmp_path: Path) -> None:
    archive(tmp_path, gap("a1"), gap("b2", status="open"))
    archive(tmp_path, gap("c3"), symbol="ETHUSDT")
    archive(tmp_path, gap("d4"), exchange="kraken")
    assert run(tmp_path, "--rows", "--json", "--symbol", "ETHUSDT").ids == ["c3"]
    assert run(tmp_path, "--rows", "--json", "--exchange", "kraken").ids == ["d4"]
    assert run(tmp_path, "--rows", "--json", "--open").ids == ["b2"]
    assert run(tmp_path, "--rows", "--json", "--exchange", "binance", "--symbol", "BTCUSDT").ids == ["a1", "b2"]
    assert run(tmp_path, "--rows", "--symbol", "BTCUSDT", "--data-type", "agg_trade").out == "no gaps found\n"


def test_a_symbol_without_a_stream_is_an_error(run: Run, tmp_path: Path) -> None:
    archive(tmp_path / "data" / "archive", gap())
    for store in (tmp_path / "data" / "archive", "--data-dir=data"):
        assert run(store, "--symbol", "DOGE") == (2, "", "error: no stream of that symbol: DOGE\n")


def test_a_symbol_of_a_segment_alone_is_known(run: Run, tmp_path: Path) -> None:
    segment = open_segment(tmp_path / "data")
    segment.store(Commit([], [], [], [StreamRow(1, "binance", "NEWUSDT", "trade", "f", "trade", b"")], {}, []))
    assert run("--symbol", "NEWUSDT") == (0, "no gaps found\n", "")
    segment.close()


def test_a_period_that_ends_before_it_begins_is_refused(run: Run, tmp_path: Path) -> None:
    archive(tmp_path, gap())
    shown = run(tmp_path, "--from", "2026-11-24", "--to", "2026-11-23")
    assert shown == (2, "", "error: --from must be before --to\n")


def test_a_folder_that_is_no_archive_is_an_error(run: Run, tmp_path: Path) -> None:
    archive(tmp_path / "data" / "archive", gap())
    other = tmp_path / "other"
    other.mkdir()
    named = f"error: there is no archive in {tmp_path / 'data'}; a recorder's archive is {tmp_path / 'data/archive'}\n"
    assert run(tmp_path / "data") == (2, "", named)
    assert run(other) == (2, "", f"error: there is no archive in {other}\n")
    assert run("--data-dir", other) == (2, "", f"error: there is no archive in {other / 'archive'}\n")


def test_since_keeps_gaps_that_ended_later_or_last(run: Run, tmp_path: Path) -> None:
    archive(tmp_path, gap("a1"), gap("b2", ended_at=NOON_US + 3_600_000_000), gap("c3", ended_at=None))
    assert run(tmp_path, "--rows", "--json", "--since", "2026-11-23T12:30").ids == ["b2", "c3"]
    assert run(tmp_path, "--rows", "--json", "--since", "2026-11-23").ids == ["a1", "b2", "c3"]
    assert run(tmp_path, "--rows", "--json", "--since", "2026-11-23T14:00+02:00").ids == ["a1", "b2", "c3"]


def test_since_also_counts_back_from_now(run: Run, tmp_path: Path) -> None:
    now_us = time_ns() // 1_000
    archive(tmp_path, gap("old", ended_at=now_us - 7_200_000_000), gap("new", ended_at=now_us - 60_000_000))
    assert run(tmp_path, "--rows", "--json", "--since", "30min").ids == ["new"]
    assert run(tmp_path, "--rows", "--json", "--since", "3h").ids == ["new", "old"]


def test_an_invalid_time_is_named(run: Run) -> None:
    shown = run("--since", "yesterday")
    assert shown.code == 2
    assert "'yesterday' is neither a time like 2026-11-23T14:00 nor 30min, 24h, 7d" in shown.err


def test_a_data_dir_adds_what_its_segments_hold(run: Run, tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    archive(data_dir / "archive", gap("a1", status="open"))
    segment = open_segment(data_dir, gap("a1", status="repaired"), gap("b2"))
    sealed = data_dir / "segments" / "20261123T110000Z-000001.db"
    create_segment(sealed, {}, EMPTY_STATE)
    with closing(sqlite3.connect(sealed)) as db:
        columns = ",".join("?" * (len(Gap._fields) + 2))
        db.execute(f"INSERT INTO gaps VALUES (NULL,{columns})", ("binance", "BTCUSDT", *gap("c3")))
        db.commit()
    (data_dir / "segments" / "20261123T130000Z-000001.new.db").write_bytes(b"half")
    found = run("--data-dir", data_dir, "--rows", "--json").gaps
    assert [(row["gap_id"], row["status"]) for row in found] == [
        ("a1", "repaired"),
        ("b2", "unrepairable"),
        ("c3", "unrepairable"),
    ]
    assert run("--rows", "--json").ids == ["a1", "b2", "c3"]
    assert run(data_dir / "archive", "--rows", "--json").ids == ["a1"]
    segment.close()


def test_reading_segments_leaves_no_file_and_blocks_no_seal(run: Run, tmp_path: Path) -> None:
    segment = open_segment(tmp_path / "data", gap())
    folder = tmp_path / "data" / "segments"
    before = sorted(path.name for path in folder.iterdir())
    assert run("--rows", "--json").ids == ["a1"]
    assert sorted(path.name for path in folder.iterdir()) == before
    segment.checkpoint()
    segment.close()
    assert run("--rows", "--json").ids == ["a1"]


def test_a_segment_archived_while_reading_is_no_error(run: Run, tmp_path: Path) -> None:
    open_segment(tmp_path / "data", gap()).close()
    opened = tmp_path / "data" / "segments" / f"{SEGMENT_ID}.open.db"
    sealed = opened.with_name(f"{SEGMENT_ID}.db")
    opened.rename(sealed)
    assert [noted.gap.gap_id for noted in ledger().segment_rows(opened)] == ["a1"]
    sealed.unlink()
    assert list(ledger().segment_rows(opened)) == list(ledger().segment_rows(sealed)) == []


def test_an_unreadable_file_is_named_and_others_are_shown(run: Run, tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    archive(data_dir / "archive", gap("a1"))
    torn = archive(data_dir / "archive", gap("b2"), symbol="ETHUSDT")
    torn.write_bytes(torn.read_bytes()[:-20])
    damaged = data_dir / "segments" / "20261123T110000Z-000001.db"
    damaged.parent.mkdir()
    damaged.write_bytes(b"no database" * 1_000)
    shown = run("--rows", "--json")
    assert (shown.code, shown.ids) == (1, ["a1"])
    assert json.loads(shown.out)["unread"] == [
        line.removeprefix("error: not read: ") for line in shown.err.splitlines()
    ]
    told = shown.err.splitlines()
    assert len(told) == 2
    assert told[0].startswith(f"error: not read: {damaged}: ")
    assert told[1].startswith(f"error: not read: {torn.relative_to(data_dir / 'archive')}: ")


def recorded(store: Path, *symbols: str) -> None:
    """Trades of these symbols at noon."""
    noon = "2026-11-23T12:00:00.000000Z"
    add_to_manifest(store, SEGMENT_ID, *(described(SEGMENT_ID, "binance", "trade", one, 9, noon) for one in symbols))


def states(shown: Shown) -> dict[str, str]:
    return {name.split()[0]: one["state"] for name, one in shown.streams.items()}


def test_a_stream_whose_gaps_cannot_be_read_is_unknown(run: Run, tmp_path: Path) -> None:
    recorded(tmp_path, "BTCUSDT", "ETHUSDT")
    archive(tmp_path, gap()).write_bytes(b"torn")
    shown = run(tmp_path)
    assert (shown.code, shown.out.splitlines()[0]) == (1, "no gaps in what could be read; 1 file could not be read")
    assert states(run(tmp_path, "--json")) == {"BTCUSDT": "unknown", "ETHUSDT": "verified"}


def test_a_known_loss_stays_broken_where_a_file_cannot_be_read(run: Run, tmp_path: Path) -> None:
    archive(tmp_path, gap())
    archive(tmp_path, gap("b2"), segment="20261123T130000Z-000001").write_bytes(b"torn")
    for rows, line in (((), 1), (("--rows",), 2)):
        assert run(tmp_path, *rows).out.splitlines()[line].endswith("1 gap, 0 open; 1 file could not be read")
    assert states(run(tmp_path, "--json")) == {"BTCUSDT": "broken"}


@pytest.mark.parametrize("unread", ["manifest", "segment"])
def test_no_stream_is_verified_where_any_gap_may_be_unread(run: Run, tmp_path: Path, unread: str) -> None:
    store = tmp_path / "data" / "archive"
    recorded(store, "BTCUSDT", "ETHUSDT")
    if unread == "manifest":
        add_to_manifest(store, "20261123T130000Z-000001")
        (store / manifest_key("box", "20261123T130000Z-000001")).write_bytes(b"{")
    else:
        (tmp_path / "data" / "segments").mkdir()
        (tmp_path / "data" / "segments" / f"{SEGMENT_ID}.db").write_bytes(b"no database" * 1_000)
    shown = run("--json")
    assert (shown.code, states(shown)) == (1, {"BTCUSDT": "unknown", "ETHUSDT": "unknown"})
    assert len(json.loads(shown.out)["unread"]) == 1
    assert run("--open").out.startswith("no open gaps in what could be read; 1 file could not be read\n")


def test_a_stream_with_a_reset_is_not_verified(run: Run, tmp_path: Path) -> None:
    archive(tmp_path, gap(kind="reset", cause="exchange", missing=None, ended_at=NOON_US + 90_000_000))
    one = run(tmp_path, "--json").streams["BTCUSDT trade"]
    assert (one["state"], one["missing_secs"], one["losses"]) == ("unverifiable", 90, 0)
    shown = run(tmp_path).out
    assert "exchange (reset), 90.0 s, 1 stream, 1 reset\n" in shown
    assert "unrepairable" not in shown


def test_a_missing_folder_is_named_with_what_to_try(run: Run, tmp_path: Path) -> None:
    for arguments in ((), (tmp_path / "none",), ("--data-dir", tmp_path / "none")):
        shown = run(*arguments)
        assert (shown.code, shown.out) == (2, "")
        assert "is not a folder; name an archive, or --data-dir of a recorder" in shown.err


def test_a_store_is_also_named_by_its_file_url(run: Run, tmp_path: Path) -> None:
    store = tmp_path / "my archive"
    archive(store, gap())
    assert run(store.as_uri(), "--rows", "--json").ids == ["a1"]
    shown = run("ftp://example.org/prefix")
    assert shown.code == 2
    assert '"ftp://example.org/prefix" does not begin with file:/// or s3://' in shown.err


def test_a_period_and_data_types_filter_streams(run: Run, tmp_path: Path) -> None:
    later = NOON_US + 7_200_000_000
    archive(tmp_path, gap("a1"), gap("b2", stream_type="book_delta"), gap("c3", started_at=later, ended_at=later))
    assert run(tmp_path, "--rows", "--json", "--data-type", "trade", "--data-type", "agg_trade").ids == ["a1", "c3"]
    assert run(tmp_path, "--rows", "--json", "--until", "2026-11-23T13:00").ids == ["a1", "b2"]


def test_each_stream_is_verified_unverifiable_or_broken(run: Run, tmp_path: Path) -> None:
    archive(
        tmp_path, gap("a1", missing=3), gap("a2", missing=0, status="repaired"), gap("a3", kind="reset", missing=None)
    )
    noon = "2026-11-23T12:00:00.000000Z"
    types = ("trade", "agg_trade", "book_ticker", "book_delta")
    add_to_manifest(
        tmp_path, SEGMENT_ID, *(described(SEGMENT_ID, "binance", name, "BTCUSDT", 997, noon) for name in types)
    )
    silence = {"kind": "silence", "missing": None, "expected_id": None, "actual_id": None}
    archive(tmp_path, gap("b1", stream_type="book_ticker", **silence), segment="20261123T130000Z-000001")
    archive(tmp_path, gap("b2", stream_type="agg_trade", **silence), segment="20261123T140000Z-000001")
    streams = run(tmp_path, "--json").streams
    assert {name: one["state"] for name, one in streams.items()} == {
        "BTCUSDT trade": "broken",
        "BTCUSDT agg_trade": "verified",
        "BTCUSDT book_ticker": "unverifiable",
        "BTCUSDT book_delta": "verified",
    }
    trades = streams["BTCUSDT trade"]
    assert trades["gaps"] == {"sequence": 2, "reset": 1}
    assert (trades["repaired"], trades["unrepairable"], trades["open"]) == (1, 2, 0)
    assert (trades["messages"], trades["missing_ids"], trades["missing_per_million"]) == (997, 3, 3000.0)
    assert trades["missing_secs"] == 1.5
    assert (streams["BTCUSDT book_ticker"]["missing_secs"], streams["BTCUSDT book_ticker"]["uncounted"]) == (1.5, 1)
    assert streams["BTCUSDT agg_trade"]["missing_secs"] == 0
    assert streams["BTCUSDT book_delta"]["missing_per_million"] is None


def test_open_does_not_change_the_state_of_streams(run: Run, tmp_path: Path) -> None:
    archive(tmp_path, gap("a1"), gap("a2", status="open"))
    archive(tmp_path, gap("b1"), symbol="ETHUSDT")
    shown, whole = run(tmp_path, "--rows", "--json", "--open"), run(tmp_path, "--json")
    assert shown.ids == ["a2"]
    assert shown.streams == whole.streams
    assert {one["state"] for one in shown.streams.values()} == {"broken"}
    assert run(tmp_path, "--open").out.count("broken") == 2


def test_a_stream_without_a_message_is_not_verified(run: Run, tmp_path: Path) -> None:
    restart = {"kind": "silence", "cause": "restart", "missing": None, "expected_id": None, "actual_id": None}
    archive(tmp_path, gap("a1", **restart), gap("a2", status="repaired"), symbol="ETHUSDT")
    archive(tmp_path, gap("b1", **restart), segment="20261123T130000Z-000001")
    recorded(tmp_path, "BTCUSDT")
    assert states(run(tmp_path, "--json")) == {"ETHUSDT": "unverifiable", "BTCUSDT": "verified"}


def test_a_book_that_was_not_checked_is_not_verified_and_a_wrong_one_is_broken(run: Run, tmp_path: Path) -> None:
    noon = "2026-11-23T12:00:00.000000Z"
    causes = {"A/USD": "restart", "B/USD": "unknown", "C/USD": "exchange", "D/USD": None}
    objects = [described(SEGMENT_ID, "kraken", "book_delta", symbol, 9, noon) for symbol in causes]
    add_to_manifest(tmp_path, SEGMENT_ID, *objects)
    for number, (symbol, cause) in enumerate(causes.items()):
        if cause is not None:
            row = gap(f"a{number}", kind="checksum", cause=cause, stream_type="book_delta", expected_id=None)
            archive(tmp_path, row, symbol=symbol, exchange="kraken", segment=f"20261123T13000{number}Z-000001")
    shown = run(tmp_path, "--json")
    assert [(one["missing_ids"], one["uncounted"]) for one in shown.streams.values()] == [
        (0, 1),
        (0, 1),
        (3, 0),
        (0, 0),
    ]
    assert states(shown) == {
        "A/USD": "unverifiable",
        "B/USD": "unverifiable",
        "C/USD": "broken",
        "D/USD": "verified",
    }


def test_a_silent_stream_is_not_verified(run: Run, tmp_path: Path) -> None:
    started_at = 1_700_000_000_000_000
    silence = {"kind": "silence", "missing": None, "expected_id": None, "actual_id": None, "started_at": started_at}
    lasting = gap("a1", ended_at=None, status="open", **silence)
    archive(tmp_path, lasting)
    add_to_manifest(
        tmp_path, SEGMENT_ID, described(SEGMENT_ID, "binance", "trade", "BTCUSDT", 9, "2023-11-14T22:13:00.000000Z")
    )
    until = ("--until", "2023-11-14T22:14:20")
    one = run(tmp_path, "--json", *until).streams["BTCUSDT trade"]
    assert (one["state"], one["open"], one["uncounted"], one["missing_secs"]) == ("unverifiable", 1, 1, 60)
    ended = gap("a1", status="repaired", repaired_by="continuity", detected_at=NOON_US + 9_000_000, **silence)
    archive(tmp_path, ended, segment="20261123T130000Z-000001")
    assert run(tmp_path, "--json", *until).streams["BTCUSDT trade"]["state"] == "verified"


def test_overlapping_gaps_count_their_time_once(run: Run, tmp_path: Path) -> None:
    second = 1_000_000
    archive(
        tmp_path,
        gap("a1", started_at=NOON_US, ended_at=NOON_US + 10 * second),
        gap("a2", started_at=NOON_US + 5 * second, ended_at=NOON_US + 20 * second),
        gap("a3", started_at=NOON_US + 30 * second, ended_at=NOON_US + 31 * second),
    )
    assert run(tmp_path, "--json").streams["BTCUSDT trade"]["missing_secs"] == 21
    part = run(tmp_path, "--json", "--since", "2026-11-23T12:00:08", "--until", "2026-11-23T12:00:12")
    assert part.streams["BTCUSDT trade"]["missing_secs"] == 4


def test_messages_are_counted_in_the_objects_of_the_period(run: Run, tmp_path: Path) -> None:
    for hour, segment in (("11", "20261123T110000Z-000001"), ("12", SEGMENT_ID)):
        at = f"2026-11-23T{hour}:30:00.000000Z"
        add_to_manifest(tmp_path, segment, described(segment, "binance", "trade", "BTCUSDT", int(hour), at))
    assert run(tmp_path, "--json").streams["BTCUSDT trade"]["messages"] == 23
    assert run(tmp_path, "--json", "--since", "2026-11-23T12:00").streams["BTCUSDT trade"]["messages"] == 12
    assert run(tmp_path, "--json", "--data-type", "agg_trade").streams == {}


def restart(store: Path) -> None:
    """A restart of 25 s: 120 streams lack something, of which the trades came later."""
    segments = (f"20261123T12{number:02}00Z-000001" for number in range(60))
    for number, segment in enumerate(segments):
        cut = {"cause": "restart", "ended_at": NOON_US + 25_000_000}
        archive(
            store,
            gap(f"t{number}", status="repaired", **cut),
            gap(f"q{number}", stream_type="book_ticker", kind="silence", missing=None, **cut),
            symbol=f"S{number}USDT", segment=segment,
        )  # fmt: skip


def test_an_incident_is_one_line_and_sums_its_rows(run: Run, tmp_path: Path) -> None:
    restart(tmp_path)
    archive(tmp_path, gap("x", kind="reset", cause="exchange", ended_at=NOON_US, missing=None), segment=SEGMENT_ID)
    archive(tmp_path, gap("y", status="open", ended_at=None), segment="20261123T140000Z-000001", exchange="kraken")
    assert run(tmp_path).out.splitlines()[:4] == [
        "2026-11-23 12:00:00 UTC binance restart, 25.0 s, 120 streams, 60 repaired, 60 unrepairable",
        "2026-11-23 12:00:00 UTC binance exchange (reset), 0 ms, 1 stream, 1 reset",
        "2026-11-23 12:00:00 UTC kraken disconnect, not over yet, 1 stream",
        "3 incidents, 122 gaps, 1 open",
    ]


def test_open_keeps_incidents_with_an_open_row(run: Run, tmp_path: Path) -> None:
    restart(tmp_path)
    archive(tmp_path, gap("y", cause="restart", status="open"), segment="20261123T140000Z-000001")
    archive(tmp_path, gap("z", cause="exchange"), segment="20261123T150000Z-000001")
    assert run(tmp_path, "--open").out.splitlines()[:2] == [
        "2026-11-23 12:00:00 UTC binance restart, 25.0 s, 121 streams, 60 repaired, 60 unrepairable, 1 open",
        "1 incident, 121 gaps, 1 open",
    ]


def test_json_lists_incidents_with_the_ids_of_their_rows(run: Run, tmp_path: Path) -> None:
    archive(tmp_path, gap("a1"), gap("a2", stream_type="agg_trade", status="repaired"), gap("a3", cause="exchange"))
    incidents = json.loads(run(tmp_path, "--json").out)["incidents"]
    assert [one["gap_ids"] for one in incidents] == [["a1", "a2"], ["a3"]]
    assert [(one["cause"], one["unrepairable"], one["repaired"], one["injected"]) for one in incidents] == [
        ("disconnect", 1, 1, 0),
        ("exchange", 1, 0, 0),
    ]


def test_in_a_pipe_no_line_is_wrapped(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    restart(tmp_path)
    assert "restart, 25.0 s, 120 streams, 60 repaired, 60 unrepairable\n" in run(tmp_path).out
    rows = run(tmp_path, "--rows").out.splitlines()
    assert len(rows) == 1 + 120 + 1 + 1 + 1 + 120
    assert all("binance S" in row and ", restart" in row for row in rows[1:121])


def test_on_a_terminal_an_incident_is_wrapped_between_words(run: Run, tmp_path: Path) -> None:
    restart(tmp_path)
    first, second, *_ = run(tmp_path, columns=80).out.splitlines()
    assert max(len(first), len(second)) <= 80
    assert f"{first.rstrip()} {second}" == run(tmp_path, columns=120).out.splitlines()[0]


def test_a_demo_says_that_it_is_broken_on_purpose(run: Run, tmp_path: Path) -> None:
    write_mark(tmp_path, [StreamKey("binance", "BTCUSDT", "trade")])
    store = tmp_path / "archive"
    archive(
        store,
        gap("a1", cause="exchange"),
        gap("a2", cause="exchange", status="repaired"),
        gap("c1", cause="disk", kind="damaged", stream_type="book_delta"),
    )
    archive(store, gap("b1", cause="exchange"), symbol="ETHUSDT")
    for arguments in ((store,), ("--data-dir", tmp_path)):
        lines = run(*arguments).out.splitlines()
        assert (
            "exchange (sequence), 1.5 s, 2 streams, 3 gaps, 1 repaired, 2 unrepairable, 2 on purpose (demo)" in lines[0]
        )
        assert (
            lines[-1] == "Recorded from a demo: its exchange leaves out messages of binance BTCUSDT trade on purpose."
        )
        states = {line.split()[1] + " " + line.split()[2]: line for line in lines if " broken" in line}
        assert "broken on purpose (demo)" in states["BTCUSDT trade"]
        assert all("on purpose" not in states[name] for name in ("ETHUSDT trade", "BTCUSDT book_delta"))
    streams = run(store, "--json").streams
    assert (streams["BTCUSDT trade"]["losses"], streams["BTCUSDT trade"]["injected"]) == (1, 1)
    assert (streams["ETHUSDT trade"]["losses"], streams["ETHUSDT trade"]["injected"]) == (1, 0)


def test_without_a_mark_nothing_is_on_purpose(run: Run, tmp_path: Path) -> None:
    archive(tmp_path / "archive", gap("a1", cause="exchange"))
    assert "on purpose" not in run(tmp_path / "archive").out


def test_a_mark_that_cannot_be_read_is_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "demo.json").write_bytes(b"{}")
    archive(tmp_path / "archive", gap("a1"))
    shown = run(tmp_path / "archive")
    assert shown.code == 1
    assert shown.err.startswith(f"error: not read: {tmp_path / 'demo.json'}: not the mark of a demo: ")


@pytest.mark.parametrize("columns", [80, 120])
def test_the_table_of_streams_fits_and_shows_their_state(run: Run, tmp_path: Path, columns: int) -> None:
    archive(tmp_path, gap(missing=1_234), gap("b2", kind="budget", missing=None))
    add_to_manifest(
        tmp_path,
        SEGMENT_ID,
        described(SEGMENT_ID, "binance", "trade", "BTCUSDT", 1_000_000, "2026-11-23T12:00:00.000000Z"),
    )
    shown = run(tmp_path, columns=columns).out
    assert max(len(line) for line in shown.splitlines()) <= columns
    line = " ".join(shown.split("per million")[1].split())
    for part in ("binance BTCUSDT trade", "broken", "1 sequence", "1.5 s", "1,234+?", "1,232.5"):
        assert part in line


def test_the_gaps_are_also_written_as_parquet(run: Run, tmp_path: Path) -> None:
    archive(tmp_path / "store", gap("a1", ended_at=None), gap("b2"), symbol="BTC/USD")
    shown = run(tmp_path / "store", "--symbol", "BTC/USD", "--parquet", tmp_path / "gaps.parquet")
    assert shown.code == 0
    table = pq.read_table(tmp_path / "gaps.parquet")
    assert table.schema.names == ["exchange", "symbol", *GAP_SCHEMA.names]
    assert table.select(["exchange", "symbol", "gap_id", "missing"]).to_pylist() == [
        {"exchange": "binance", "symbol": "BTC/USD", "gap_id": "a1", "missing": 3},
        {"exchange": "binance", "symbol": "BTC/USD", "gap_id": "b2", "missing": 3},
    ]
    assert table.column("ended_at").to_pylist()[0] is None


def test_a_configuration_names_the_data_and_the_archive(run: Run, tmp_path: Path) -> None:
    config = tmp_path / "collector.toml"
    config.write_text(f'data_dir = "{tmp_path}/there"\n[archive]\nurl = "{(tmp_path / "store").as_uri()}"\n', "utf-8")
    archive(tmp_path / "store", gap("a1"))
    open_segment(tmp_path / "there", gap("b2")).close()
    assert run("--config", config, "--rows", "--json").ids == ["a1", "b2"]


def test_a_bucket_is_read_like_a_folder(
    run: Run, tmp_path: Path, seaweed: Seaweed, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive(tmp_path / "store", gap("a1"))
    bucket = seaweed.new_bucket()
    store = seaweed.store(bucket)
    for path in (tmp_path / "store").rglob("*"):
        if path.is_file():
            checksum = hashlib.sha256(path.read_bytes()).hexdigest()
            store.put(str(path.relative_to(tmp_path / "store")), path, checksum)
    monkeypatch.setenv("COLLECTOR_ARCHIVE__ENDPOINT_URL", seaweed.endpoint_url)
    assert run(f"s3://{bucket}", "--rows", "--json").ids == ["a1"]


def test_a_recorder_without_a_gap_has_an_empty_ledger(run: Run, tmp_path: Path) -> None:
    open_segment(tmp_path / "data").close()
    assert run() == (0, "no gaps found\n", "")
    assert run("--open") == (0, "no open gaps\n", "")
    assert run("--rows", "--json").ids == []


def test_it_runs_from_any_folder(tmp_path: Path) -> None:
    shown = subprocess.run([TOOL, "--help"], cwd=tmp_path, capture_output=True, timeout=DEADLINE_SECS, check=False)
    assert (shown.returncode, shown.stderr) == (0, b"")
    assert b"scripts/show_gaps.py s3://bucket/prefix --from 24h" in shown.stdout


def test_an_old_python_can_parse_it_and_run_the_projects_python() -> None:
    assert ast.parse(TOOL.read_text("utf-8"), feature_version=(3, 8)).body
