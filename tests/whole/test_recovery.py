"""Starts from states that crashes, rot and people leave on disk: what the journals hold is archived once, all the same."""

import json
import os
import random
import shutil
import signal
import sqlite3
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from collector.storage.archive.manifest import decode_manifest
from collector.storage.journal.files import journal_files, journal_path
from collector.storage.journal.format import FeedIdentity, decode_header, parse_records
from collector.storage.journal.writer import JournalWriter
from collector.storage.segment.seal import sealed_segments
from tests.feed.servers import Peer, Server, wire
from tests.storage.segment.segment_rows import query
from tests.whole.accounts import CHANNELS, Sent, frames_sent, gaps_of, missing_frames, rows_of
from tests.whole.running import PATIENT, STOP_SECS, Exchange, Recorder, wait_for

SYMBOLS = ["BTCUSDT", "ETHUSDT"]
FEED: dict[str, Any] = {"symbols": SYMBOLS, "data_types": ["trade", "book_ticker"]}
FRAMES = 6_000
PIECE = 300
NOWHERE = "ws://127.0.0.1:9"
FILLING_BYTES = 600
QUICK: dict[str, Any] = {
    "archive": {"keep_raw": True, "retry_base_delay_secs": 0.05, "retry_max_delay_secs": 0.1},
    "journal": {"file_bytes": "128KiB", "fsync_interval_secs": 0.2},
}
CRASHED: dict[str, Any] = {
    "supervisor": {"hang_timeout_secs": 600},
    "segment": {"interval_secs": 86_400, "max_bytes": "1MiB"},
    **PATIENT,
}


dumps = partial(json.dumps, separators=(",", ":"))
"""As an exchange writes it."""


def filling(number: int) -> str:
    """Makes segments large enough for a seal: it hardly compresses. The exchange may add what it likes to its messages."""
    return b64encode(random.Random(number).randbytes(FILLING_BYTES)).decode()


def frame(number: int) -> str:
    """A trade or a best price; each stream's ids are its own, and dense where the exchange's are."""
    symbol, is_trade = SYMBOLS[number % 2], number // 2 % 2
    id_, price = number // 4 + 1, f"{60_000 + number % 97}.{number % 100:02}000000"
    if is_trade:
        data = {
            "e": "trade",
            "E": number,
            "s": symbol,
            "t": id_,
            "p": price,
            "q": "0.5",
            "T": number,
            "m": True,
            "M": True,
            "filling": filling(number),
        }
        return dumps({"stream": f"{symbol.lower()}@trade", "data": data})
    data = {"u": id_, "s": symbol, "b": price, "B": "1.0", "a": price, "A": "2.0", "filling": filling(number)}
    return dumps({"stream": f"{symbol.lower()}@bookTicker", "data": data})


@dataclass(frozen=True)
class Crash:
    """What a crash left: sealed segments that wait, an open one with its log, journals not yet read to their end."""

    data_dir: Path
    sent: list[Sent]


@pytest.fixture(scope="module")
def crash(tmp_path_factory: pytest.TempPathFactory) -> Crash:
    """Everything killed at once, after the archiver stood still for a while and the writer for a moment."""
    folder = tmp_path_factory.mktemp("crash")
    source = Source()
    recorded = Recorder(folder, f"ws://127.0.0.1:{source.port}", **{"feed": FEED, **QUICK, **CRASHED})
    no_store = recorded.data_dir / "archive"
    no_store.parent.mkdir(exist_ok=True)
    no_store.touch()
    recorded.start(start_new_session=True)
    try:
        os.kill(recorded.pid_of("archiver"), signal.SIGSTOP)
        source.connect()
        stop_the_writer_between_two_seals(recorded, source)
    finally:
        os.killpg(recorded.process.pid, signal.SIGKILL)
        recorded.process.wait(60)
        source.close()
        recorded.end()
    no_store.unlink()
    return Crash(recorded.data_dir, source.sent)


class Source(Server):
    """An exchange that sends the next frames when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[Sent] = []
        self._peer: Peer | None = None

    def connect(self) -> None:
        """Take the recorder's connection."""
        self._peer = self.accept()

    def send(self, count: int) -> None:
        """Send so many more."""
        assert self._peer is not None
        texts = [frame(number) for number in range(len(self.sent), len(self.sent) + count)]
        at = datetime.now(UTC)
        self._peer.send(*(wire(text.encode()) for text in texts))
        for text in texts:
            symbol, _, channel = json.loads(text)["stream"].partition("@")
            self.sent.append(Sent(symbol.upper(), CHANNELS[channel], at, text))


def stop_the_writer_between_two_seals(recorded: Recorder, source: Source) -> None:
    """Send until there are sealed segments and rows in the open one; from then on frames get only into the journal.

    The writer reports what it has stored after it has sealed what was large enough, so nothing is on its way then.
    """
    while (
        len(sealed := recorded.logged("segment_sealed")) < 2 or len(source.sent) - sum(s["rows"] for s in sealed) < 200
    ):
        source.send(PIECE)
        wait_for(lambda: recorded.alive() and reported(recorded, "writer", "messages") == len(source.sent))
    os.kill(recorded.pid_of("writer"), signal.SIGSTOP)
    assert len(source.sent) < FRAMES * 3 / 4
    while len(source.sent) < FRAMES:
        before = journal_bytes(recorded)
        source.send(PIECE)
        wait_for(lambda: journal_bytes(recorded) > before)  # noqa: B023 -- asked at once
    wait_for(lambda: recorded.alive() and reported(recorded, "ingest:binance", "frames") == FRAMES)


def reported(recorded: Recorder, role: str, name: str) -> int:
    """A number of the role's last report; 0 before the first."""
    stats = recorded.data_dir / "run/stats" / f"{role}.json"
    return int(json.loads(stats.read_bytes()).get(name, 0)) if stats.exists() else 0


def journal_bytes(recorded: Recorder) -> int:
    """What ingest has written and nobody removes while the writer stands still."""
    return sum(path.stat().st_size for _, path in journal_files(recorded.data_dir / "journal/binance"))


def rows_in(segment: Path) -> int:
    ((rows,),) = query(segment, "SELECT count(*) FROM messages")
    return int(rows)


class Scene:
    """A copy of what the crash left, to be damaged and started from."""

    def __init__(self, crash: Crash, folder: Path) -> None:
        self.folder = folder
        self.data_dir = folder / "data"
        self.sent = crash.sent
        self.recorder: Recorder | None = None
        shutil.copytree(crash.data_dir, self.data_dir)

    @property
    def archive(self) -> Path:
        return self.data_dir / "archive"

    @property
    def segments(self) -> Path:
        return self.data_dir / "segments"

    def journal(self) -> Path:
        """The newest file that is full; none of its records is committed."""
        return journal_files(self.data_dir / "journal/binance")[-2][1]

    def prepare(self, **settings: Any) -> Recorder:
        """A recorder of it, where no exchange answers."""
        self.recorder = Recorder(self.folder, NOWHERE, **{"feed": FEED, **QUICK, **settings})
        return self.recorder

    def recover(self, **settings: Any) -> Recorder:
        """Start it and let it stop again, until everything is archived."""
        recorder = self.prepare(**settings).start("--stop-after", "0.5")
        assert recorder.process.wait(STOP_SECS + 10) == 0, recorder.log_path.read_text("utf-8")
        assert sealed_segments(self.segments) == []
        assert not any(
            path.name == "binance" and list(path.iterdir()) for path in (self.data_dir / "journal").iterdir()
        )
        return recorder

    def missing(self) -> list[Sent]:
        return missing_frames(self.sent, self.archive)

    def end(self) -> None:
        if self.recorder is not None:
            self.recorder.end()


@pytest.fixture
def scene(crash: Crash, tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(crash, tmp_path)
    yield scene
    scene.end()


@pytest.fixture(scope="module")
def recovered(crash: Crash, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """What becomes of the crash if nothing else happens."""
    scene = Scene(crash, tmp_path_factory.mktemp("recovered"))
    scene.recover()
    return scene


def test_a_crash_of_everything_at_once_loses_nothing(recovered: Scene) -> None:
    assert len(recovered.sent) == FRAMES
    assert recovered.missing() == []
    assert gaps_of(recovered.archive) == []


def test_half_written_files_in_staging_and_store_are_written_again(scene: Scene) -> None:
    incoming = scene.archive / "_incoming"
    for folder, names in (
        (scene.data_dir / "staging", ("1.parquet", "scratch", "manifest.json")),
        (incoming, ("a.tmp",)),
    ):
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            (folder / name).write_bytes(b"PAR1 and no end")
    scene.recover()
    assert scene.missing() == []
    assert list((scene.data_dir / "staging").iterdir()) == []


def put_before_the_crash(scene: Scene, recovered: Scene) -> tuple[Path, list[Path]]:
    """Put the oldest sealed segment's manifest and objects into the archive, as if the crash had come after that."""
    (key,) = recovered.archive.glob(f"_manifest/*/*-{sealed_segments(scene.segments)[0].stem}.json")
    objects = [Path(described.key) for described in decode_manifest(key.read_bytes()).objects]
    for path in (key.relative_to(recovered.archive), *objects):
        target = scene.archive / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(recovered.archive / path, target)
    return scene.archive / key.relative_to(recovered.archive), [scene.archive / path for path in objects]


def some_objects(manifest: Path, objects: list[Path]) -> None:
    manifest.unlink()
    objects[0].unlink()
    objects[1].write_bytes(objects[1].read_bytes()[:100])


@pytest.mark.parametrize("state", [None, some_objects])
def test_a_segment_uploaded_but_not_removed_is_archived_once(
    scene: Scene, recovered: Scene, state: Callable[[Path, list[Path]], None] | None
) -> None:
    manifest, objects = put_before_the_crash(scene, recovered)
    whole = {path: path.read_bytes() for path in (manifest, *objects)}
    if state is not None:
        state(manifest, objects)
    scene.recover()
    assert scene.missing() == []
    assert {path: path.read_bytes() for path in whole} == whole, "the same objects, byte for byte"


def test_a_damaged_journal_record_is_a_gap_and_nothing_else_is_lost(scene: Scene) -> None:
    path = scene.journal()
    data = path.read_bytes()
    header = decode_header(data)
    assert header is not None
    records = parse_records(data[header.header_bytes :], header.header_bytes).records
    bad = records[len(records) // 2 :][0]
    path.write_bytes(data[: bad.end - 5] + b"\xff" + data[bad.end - 4 :])
    scene.recover()
    assert 0 < len(scene.missing()) < FRAMES / 10
    assert [(gap["kind"], gap["cause"]) for gap in gaps_of(scene.archive) if gap["kind"] == "damaged"] == [
        ("damaged", "disk")
    ]


def cut(path: Path, size: int) -> None:
    with path.open("r+b") as file:
        file.truncate(size)


def test_a_torn_wal_of_the_open_segment_loses_nothing(scene: Scene) -> None:
    (log,) = scene.segments.glob("*.open.db-wal")
    assert log.stat().st_size > 100_000
    cut(log, log.stat().st_size * 3 // 5)
    scene.recover()
    assert scene.missing() == []
    assert gaps_of(scene.archive) == []


def test_losing_committed_journals_to_a_power_cut_loses_no_row(scene: Scene) -> None:
    committed = sum(map(rows_in, scene.segments.glob("*.db")))
    for _, path in journal_files(scene.data_dir / "journal/binance"):
        cut(path, 100)
    scene.recover()
    rows = [row["raw"] for data_type in FEED["data_types"] for row in rows_of(scene.archive, data_type)]
    assert len(rows) == len(set(rows)) == committed > 0


def test_an_unreadable_open_segment_is_rebuilt_from_the_journals(scene: Scene) -> None:
    (opened,) = scene.segments.glob("*.open.db")
    opened.write_bytes(os.urandom(50_000))
    recorder = scene.recover()
    assert recorder.logged("segment_rebuilt")
    assert scene.missing() == []


def overwrite(path: Path, offset: int, size: int = 4096) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xaa" * size)


ROT: Mapping[str, Callable[[Path], None]] = {
    "head": lambda path: overwrite(path, 0, 100),
    "a page of messages": lambda path: overwrite(path, path.stat().st_size // 8192 * 4096),
}


@pytest.mark.parametrize("rot", ROT.values(), ids=ROT)
def test_a_damaged_segment_is_a_gap_and_all_else_is_archived(scene: Scene, rot: Callable[[Path], None]) -> None:
    path = sealed_segments(scene.segments)[1]
    rot(path)
    recorder = scene.prepare().start()
    wait_for(lambda: "segment_quarantined" in reasons(recorder))
    assert recorder.stop() == 0
    assert [line["segment"] for line in recorder.logged("segment_quarantined")] == [path.stem]
    assert [path.name for path in (scene.data_dir / "quarantine").iterdir()] == [path.name]
    assert 0 < len(scene.missing()) < FRAMES / 2
    gaps = gaps_of(scene.archive)
    assert {(gap["kind"], gap["cause"], gap["expected_id"]) for gap in gaps} == {("damaged", "disk", path.stem)}


def reasons(recorder: Recorder) -> set[str]:
    return {reason["code"] for reason in (recorder.status() or {"reasons": []})["reasons"]}


class Cuts:
    """Journals of three records, each cut at another byte of the last one: a feed and a symbol for each."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        whole = self._write("S0", 1 << 30)
        self.sizes = [whole.stat().st_size]
        for number, size in enumerate(range(self.sizes[0] - self._last_bytes, self.sizes[0]), 1):
            self._write(f"S{number}", size)
            self.sizes.append(size)

    def _write(self, symbol: str, size: int) -> Path:
        folder = self._data_dir / "journal" / symbol
        identity = FeedIdentity(symbol, "binance", (symbol,), ("trade",))
        journal = JournalWriter(folder, identity, 1, 1 << 30, lambda: 1_800_000_000_000_000_000)
        ends = []
        for id_ in (1, 2, 3):
            data = {"e": "trade", "E": 1, "s": symbol, "t": id_, "p": "1.0", "q": "2.0", "T": 1, "m": True, "M": True}
            raw = dumps({"stream": f"{symbol.lower()}@trade", "data": data}).encode()
            journal.append_frames(1_800_000_000_000_000_000 + id_, 0, [raw])
            ends.append(journal.position)
        self._last_bytes = ends[-1] - ends[-2]
        journal.close()  # or the recorder would wait for this process to end, as for one that still appends
        path = journal_path(folder, 1)
        cut(path, min(size, ends[-1]))
        return path


def test_a_journal_cut_in_its_last_record_loses_only_that_record(
    tmp_path: Path, recorder: Callable[..., Recorder]
) -> None:
    recorded = recorder(NOWHERE, feed=FEED, **QUICK)
    cuts = Cuts(recorded.data_dir)
    assert recorded.start("--stop-after", "0.5").process.wait(STOP_SECS + 10) == 0
    found: dict[str, list[str]] = {}
    for row in rows_of(recorded.data_dir / "archive", "trade"):
        found.setdefault(row["symbol"], []).append(row["trade_id"])
    assert len(cuts.sizes) > 100, "as many as the last record has bytes"
    assert found == {"S0": ["1", "2", "3"]} | {f"S{number}": ["1", "2"] for number in range(1, len(cuts.sizes))}
    assert gaps_of(recorded.data_dir / "archive") == []


def test_waiting_rows_keep_the_host_name_they_were_received_under(scene: Scene, recovered: Scene) -> None:
    def hosts(archive: Path) -> dict[str, str]:
        names = (path.stem.rsplit("-", 2) for path in archive.rglob("*.parquet"))
        return {f"{begun}-{random}": host for host, begun, random in names}

    waited = {path.name.partition(".")[0] for path in scene.segments.glob("*.db")}
    assert waited
    scene.recover(environment={"COLLECTOR_HOST_NAME": "renamed"})
    assert scene.missing() == []
    before, after = hosts(recovered.archive), hosts(scene.archive)
    assert {segment_id: after[segment_id] for segment_id in waited} == {
        segment_id: before[segment_id] for segment_id in waited
    }
    assert "renamed" not in before.values()
    (opened,) = scene.segments.glob("*.open.db")
    with closing(sqlite3.connect(f"file:{opened}?mode=ro", uri=True)) as db:
        assert db.execute("SELECT value FROM meta WHERE key = 'host'").fetchone() == ("renamed",)


def test_rows_of_a_removed_symbol_are_still_archived(scene: Scene) -> None:
    scene.recover(feed={**FEED, "symbols": ["ETHUSDT"]})
    assert scene.missing() == []


def test_journals_of_a_renamed_feed_are_still_read(scene: Scene) -> None:
    scene.recover(feed={**FEED, "name": "spot"})
    assert scene.missing() == []


CLOCK = """
import os, time

real = time.time_ns


def shifted():
    with open(os.environ["CLOCK_SHIFT_SECS"], encoding="ascii") as file:
        return real() + int(file.read()) * 1_000_000_000


time.time_ns = shifted
time.time = lambda: shifted() / 1e9
"""


def test_a_clock_set_back_an_hour_loses_nothing(
    tmp_path: Path, exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    (tmp_path / "sitecustomize.py").write_text(CLOCK, "utf-8")
    shift = tmp_path / "shift"
    shift.write_text("0", "utf-8")
    environment = {"PYTHONPATH": str(tmp_path), "CLOCK_SHIFT_SECS": str(shift)}
    source = exchange("--symbols", "BTCUSDT", "--rate", "1500", "--seed", "19")
    recorded = recorder(
        source.ws_url, feed={"symbols": ["BTCUSDT"], "data_types": ["book_delta", "trade"]},
        segment={"interval_secs": 1}, environment=environment, **QUICK,
    ).start()  # fmt: skip
    recorded.wait_for_messages(300)
    (tmp_path / "next").write_text("-3600", "utf-8")
    (tmp_path / "next").replace(shift)
    recorded.wait_for_messages(recorded.messages() + 2_000)
    assert recorded.stop() == 0
    source.stop()
    sent, archive = frames_sent(source), recorded.data_dir / "archive"
    assert missing_frames(sent, archive) == []
    assert gaps_of(archive) == []
    received = [row["received_at"] for row in rows_of(archive, "trade")]
    assert max(received).timestamp() - received[-1].timestamp() > 3_000, "the clock did step back"
    assert len({line["segment"] for line in recorded.logged("segment_archived")}) > 2
