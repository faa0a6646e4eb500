"""A data directory that an older version was killed in is carried over: nothing lost, nothing doubled, nothing forgotten."""

import json
import re
import sqlite3
import tarfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyarrow.parquet as pq
import pytest

from collector.domain.errors import NewerDataError
from collector.storage.archive.object_check import differences
from collector.storage.archive.verify import Verification
from collector.storage.segment import file_format, positions_file
from collector.storage.segment.file_format import SEGMENT_VERSION, STATE_VERSION
from collector.storage.segment.positions_file import VERSION, refuse_newer_positions_file
from collector.storage.segment.seal import sealed_segments
from collector.storage.store.directory import DirectoryStore
from collector.storage.version_check import refuse_newer_data
from tests.json_server import JsonServer
from tests.processes.writer.writer_harness import START_NS, World, trade
from tests.whole.accounts import gaps_of, rows_of
from tests.whole.running import PATIENT, STOP_SECS, Recorder, wait_for

FIXTURES = Path(__file__).parents[1] / "fixtures"
NOWHERE = "ws://127.0.0.1:9"
ID_COLUMNS = {
    "agg_trade": "trade_id",
    "book_delta": "last_id",
    "book_snapshot": "last_id",
    "book_ticker": "update_id",
    "trade": "trade_id",
}
TRADES = "binance BTCUSDT trade"
Ids = dict[str, list[int]]


@dataclass(frozen=True)
class Left:
    """What the older version left, and what must come out of it."""

    name: str

    @cached_property
    def content(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((FIXTURES / f"{self.name}.json").read_bytes())
        return content

    def unpack(self, folder: Path) -> None:
        with tarfile.open(FIXTURES / f"{self.name}.tar.xz") as tar:
            tar.extractall(folder, filter="data")

    def ids(self, origin: str) -> Ids:
        """Of each stream, in the order received: `socket` or `rest`."""
        return {name: listed(said[origin]) for name, said in self.content["messages"].items() if said[origin]}

    @property
    def missing(self) -> list[int]:
        """The trades that can still be had over REST."""
        return [*self.content["asked"][TRADES], *self.content["not_seen_missing"][TRADES]]


def listed(ranges: Iterable[tuple[int, int]]) -> list[int]:
    return [id_ for first, last in ranges for id_ in range(first, last + 1)]


@pytest.fixture(params=sorted(path.stem for path in FIXTURES.glob("data_dir_*.json")))
def left(request: pytest.FixtureRequest, tmp_path: Path) -> Left:
    """The data directory lies where the recorder will look for it."""
    left = Left(request.param)
    left.unpack(tmp_path)
    return left


def recorder_of(left: Left, recorder: Callable[..., Recorder], rest_url: str, **settings: Any) -> Recorder:
    feeds = [{**feed, "rest_url": rest_url} for feed in left.content["feeds"]]
    archive = {"retry_base_delay_secs": 0.05, "retry_max_delay_secs": 0.1}
    return recorder(NOWHERE, feed=feeds, archive=archive, journal={"min_free_bytes": 0}, **PATIENT, **settings)


def archived(data_dir: Path, *, rest: bool) -> Ids:
    """The ids that the archive holds of each stream."""
    found: Ids = defaultdict(list)
    for path in (data_dir / "archive").glob("exchange=*/data_type=*/symbol=*/date=*/*.parquet"):
        exchange, data_type, symbol = (part.partition("=")[2] for part in path.parts[-5:-2])
        if data_type in ID_COLUMNS:
            rows = pq.ParquetFile(path).read(["line", ID_COLUMNS[data_type]])
            ids = [int(id_) for line, id_ in zip(*rows.to_pydict().values(), strict=True) if (line == -1) is rest]
            found[f"{exchange} {symbol} {data_type}"] += ids
    return {stream: ids for stream, ids in found.items() if ids}


def same(found: Ids, expected: Ids) -> None:
    for stream in found.keys() | expected.keys():
        assert sorted(found.get(stream, [])) == sorted(expected.get(stream, [])), stream


def holds_what_was_left(left: Left, data_dir: Path) -> None:
    """Every message that came over a socket, every frame nobody could read and every row of the ledger is there once."""
    archive = data_dir / "archive"
    same(archived(data_dir, rest=False), left.ids("socket"))
    assert sorted(row["frame"].decode() for row in rows_of(archive, "undecoded")) == left.content["undecodable"]
    rows = Counter(
        (row["gap_id"], row["status"], round(row["detected_at"].timestamp() * 1e6)) for row in rows_of(archive, "gap")
    )
    assert [row for row in left.content["gaps"] if rows[tuple(row)] != 1] == []
    assert list(Verification(DirectoryStore(archive), differences).findings()) == []
    assert sealed_segments(data_dir / "segments") == []
    assert [path for path in (data_dir / "staging").iterdir() if path.is_dir()] == []
    assert not (data_dir / "quarantine").exists()


@pytest.mark.timeout(400)
def test_data_of_an_older_version_is_archived_once(left: Left, recorder: Callable[..., Recorder]) -> None:
    recorded = recorder_of(left, recorder, "http://127.0.0.1:9")
    assert recorded.start("--stop-after", "1").process.wait(STOP_SECS + 10) == 0, recorded.log_path.read_text("utf-8")
    holds_what_was_left(left, recorded.data_dir)
    same(archived(recorded.data_dir, rest=True), left.ids("rest"))
    waiting = {path.name for path in recorded.data_dir.glob("repair/*/*.request")}
    trades = {name for name in left.content["requests"] if name.startswith("trades-")}
    assert trades <= waiting
    assert any(name.startswith("book-") for name in waiting)
    newest = {gap["gap_id"]: gap["status"] for gap in gaps_of(recorded.data_dir / "archive")}
    assert {newest[re.split(r"[-.]", name)[1]] for name in trades} == {"open"}


def test_trades_stored_by_an_older_version_keep_their_kind(left: Left, recorder: Callable[..., Recorder]) -> None:
    recorded = recorder_of(left, recorder, "http://127.0.0.1:9")
    assert recorded.start("--stop-after", "1").process.wait(STOP_SECS + 10) == 0, recorded.log_path.read_text("utf-8")
    versions = Counter[int]()
    for path in recorded.data_dir.glob("archive/exchange=binance_usdm/data_type=trade/*/*/*.parquet"):
        file = pq.ParquetFile(path)
        version = int(file.metadata.metadata[b"collector.schema_version"])
        versions[version] += 1
        rows = file.read().to_pylist()
        if version > 1:
            kinds = ["market", "market", "insurance_fund", "market", "adl", "none"]
            assert [row["kind"] for row in rows] == [kinds[int(row["trade_id"]) % len(kinds)] for row in rows]
            assert {row["sequence"] for row in rows} == {None}
            dated = [(row["exchange_at"] is None, row["raw"] is None) for row in rows]
            assert dated == [(row["kind"] == "none", row["kind"] != "none") for row in rows], (
                "those were sent with T = 0"
            )
    made_before = {"data_dir_v1": 1, "data_dir_v2": 2}[left.name]
    assert versions.keys() == {made_before, 2}, "a set that was made before, and segments that were not"


def test_data_of_an_older_version_gets_version_numbers(left: Left, recorder: Callable[..., Recorder]) -> None:
    recorded = recorder_of(left, recorder, "http://127.0.0.1:9")
    assert recorded.start("--stop-after", "1").process.wait(STOP_SECS + 10) == 0, recorded.log_path.read_text("utf-8")
    (opened,) = (recorded.data_dir / "segments").glob("*.open.db")
    with closing(sqlite3.connect(opened)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (SEGMENT_VERSION,)
        said = db.execute("SELECT value FROM meta WHERE key = 'state_version'").fetchone()
    assert said == (str(STATE_VERSION),)
    positions = json.loads((recorded.data_dir / "segments/positions.json").read_bytes())
    assert (positions["version"], positions["state_version"]) == (VERSION, STATE_VERSION)


def in_state(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("INSERT OR REPLACE INTO meta VALUES ('state_version', '99')")
        db.commit()


def in_json(path: Path) -> None:
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "version": 99}), encoding="utf-8")


def in_segment(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version=99")


NEWER: Mapping[str, tuple[Callable[[Path], None], str]] = {
    "open segment": (in_segment, "segments/*.open.db"),
    "sealed segment": (in_segment, "segments/*-[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f].db"),
    "state": (in_state, "segments/*.open.db"),
    "positions": (in_json, "segments/positions.json"),
    "request": (in_json, "repair/binance/trades-*.request"),
}


@pytest.mark.parametrize(("make_newer", "pattern"), NEWER.values(), ids=NEWER)
def test_data_of_a_newer_version_is_left_alone_with_exit_2(
    make_newer: Callable[[Path], None], pattern: str, tmp_path: Path, recorder: Callable[..., Recorder]
) -> None:
    left = Left("data_dir_v1")
    left.unpack(tmp_path)
    recorded = recorder_of(left, recorder, "http://127.0.0.1:9")
    (path,) = recorded.data_dir.glob(pattern)
    make_newer(path)
    for arguments in ([], ["--check"]):
        assert recorded.start(*arguments).process.wait(STOP_SECS) == 2
        (said,) = [line for line in recorded.log_path.read_text("utf-8").splitlines() if line.startswith("error: ")]
        assert re.search(r"version 99, this program knows \d+: use the newer program$", said), said
        assert not recorded.logged("process_started")
        recorded.log_path.unlink()
    assert path.exists()


@pytest.mark.timeout(400)
def test_requests_of_an_older_version_are_fetched_and_stored(left: Left, recorder: Callable[..., Recorder]) -> None:
    with JsonServer(partial(answered, left)) as rest:
        recorded = recorder_of(left, recorder, rest.url, segment={"interval_secs": 2}).start()
        wait_for(lambda: recorded.alive() and set(left.missing) <= set(repaired(recorded.data_dir)))
        assert recorded.stop() == 0
    holds_what_was_left(left, recorded.data_dir)
    fetched = archived(recorded.data_dir, rest=True)
    books = [fetched.pop(stream) for stream in list(fetched) if stream.endswith("book_delta")]
    assert {TRADES: sorted(fetched[TRADES])} == {TRADES: sorted([*left.ids("rest")[TRADES], *left.missing])}
    assert newest_update(left) in {id_ for ids in books for id_ in ids}
    assert not [*recorded.data_dir.glob("repair/*/*.request")]


def answered(left: Left, target: str) -> Any:
    """The exchange has every trade, and a book that is newer than the last break."""
    query = parse_qs(urlsplit(target).query)
    if "historicalTrades" in target:
        said = {"price": "1.5", "qty": "0.5", "quoteQty": "1", "time": 1_795_974_165_000}
        first = int(query["fromId"][0])
        return [{"id": id_, **said, "isBuyerMaker": True, "isBestMatch": True} for id_ in range(first, first + 99)]
    if "depth" in target:
        return {"lastUpdateId": newest_update(left), "bids": [["1.0", "2.0"]], "asks": [["1.5", "2.0"]]}
    return None


def newest_update(left: Left) -> int:
    return left.ids("socket")["binance BTCUSDT book_delta"][-1]


def repaired(data_dir: Path) -> list[int]:
    """The trades within gaps whose newest row says that nothing is missing."""
    gaps = [
        gap for gap in gaps_of(data_dir / "archive") if gap["stream_type"] == "trade" and gap["status"] == "repaired"
    ]
    ranges = [(int(gap["expected_id"]), int(gap["actual_id"]) - 1) for gap in gaps if gap["kind"] == "sequence"]
    return listed(ranges)


def test_the_version_before_other_exchanges_refuses_what_this_one_stores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Left("data_dir_v2").unpack(tmp_path / "older")
    (opened,) = (tmp_path / "older").glob("*/segments/*.open.db")
    with closing(sqlite3.connect(opened)) as db:
        ((known,),) = db.execute("SELECT value FROM meta WHERE key = 'state_version'")
    world = World(tmp_path / "newer")
    world.journal().append_frames(START_NS, 0, [trade(1)])
    world.run()
    refuse_newer_data(world.config.data_dir)
    for module in (file_format, positions_file):
        monkeypatch.setattr(module, "STATE_VERSION", int(known))
    with pytest.raises(NewerDataError, match=r"\.open\.db is of version 3, this program knows 2"):
        refuse_newer_data(world.config.data_dir)
    with pytest.raises(NewerDataError, match=r"positions\.json is of version 3, this program knows 2"):
        refuse_newer_positions_file(world.config.data_dir / "segments")
