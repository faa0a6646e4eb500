"""Each exchange's recording through the real writer and into Parquet: whole, exact, and the same however it is killed."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet as pq

from collector.config import FeedConfig
from collector.domain.errors import UndecodableError
from collector.domain.records import Envelope
from collector.exchanges.registry import adapter
from collector.storage.archive.object_check import differences
from collector.storage.journal.format import FeedIdentity, RecordKind
from collector.storage.journal.writer import JournalWriter
from collector.storage.segment.seal import sealed_segments
from collector.storage.segment.sealed_segment import open_sealed
from tests.conftest import Lines
from tests.exchanges.recorded_markets import MARKETS, RecordedMarket, Recording, recording
from tests.processes.writer.writer_harness import World, connection
from tests.storage.staging.staged_files import stage

FRAMES = 1_200


class RecordedWorld(World):
    """A writer whose one feed is a recorded market's."""

    def __init__(self, folder: Path, played: Recording) -> None:
        super().__init__(folder)
        exchange, (symbols, data_types) = played.market.exchange, played.subscription
        feed = FeedConfig(exchange=exchange, symbols=symbols, data_types=data_types, name="f", ws_url="ws://elsewhere")
        self.config = type(self.config)(data_dir=folder, feed=(feed,))
        self._played = played

    def record(self, *, close: bool = True) -> None:
        """Write the recording as ingest would: a connection of each plan, all frames from the first."""
        frames = self._played.frames[:FRAMES]
        self.now_ns = frames[0].at_us * 1_000
        identity = FeedIdentity("f", self._played.market.exchange, *self._played.subscription)
        folder = self.config.data_dir / "journal" / "f"
        journal = JournalWriter(folder, identity, 1, 1 << 30, lambda: self.now_ns)
        self._journals.append(journal)
        for plan in range(len(self._played.market.adapter.shares(self._played.subscription))):
            info = connection(plan + 1, plan=plan)
            journal.append_event(RecordKind.CONNECT, self.now_ns, 0, info)
        for at_us, frame in frames:
            journal.append_frames(at_us * 1_000, 0, [frame], (), 1)
        self.now_ns = frames[-1].at_us * 1_000 + 1
        if close:
            journal.close()

    def is_killed_after_a_commit(self) -> bool:
        """Run with small commits, and be killed right after the first; False if the writer got to its end before."""
        writer = self.writer()
        real, done = writer._committer.commit, list[float]()

        def commit() -> float:
            if done:
                raise KeyboardInterrupt
            done.append(real())
            return done[0]

        writer._limit = 100
        writer._committer.commit = commit  # type: ignore[method-assign]
        self.stop_when = lambda: True
        try:
            writer.run()
        except KeyboardInterrupt:
            return True
        return False

    def rows(self) -> Counter[tuple[Any, ...]]:
        """Everything stored."""
        return Counter(
            self.query(
                "SELECT exchange, symbol, data_type, series, id, payload FROM messages JOIN streams USING (stream_id)"
            )
        )

    def gaps(self) -> Counter[tuple[Any, ...]]:
        """The ledger, without silences: they depend on when it is looked. Nor does it say what was not checked."""
        return Counter(
            self.query(
                "SELECT symbol, stream_type, kind, expected_id, missing FROM gaps"
                " WHERE kind != 'silence' AND (kind, cause) != ('checksum', 'restart')"
            )
        )

    def unchecked(self) -> set[tuple[Any, ...]]:
        """The streams whose books were not held against the exchange's checksums for some time."""
        return set(
            self.query("SELECT symbol, stream_type FROM gaps WHERE (kind, cause) = ('checksum', 'restart')"),
        )


@pytest.fixture(params=MARKETS, ids=str)
def played(request: pytest.FixtureRequest, recorded: Lines) -> Recording:
    market: RecordedMarket = request.param
    return recording(market, recorded)


def decoded(played: Recording) -> list[Envelope]:
    decode, found = played.market.adapter.decoder(played.subscription), list[Envelope]()
    for received in played.frames[:FRAMES]:
        try:
            found += decode(received.frame)
        except UndecodableError:
            assert played.market.undecoded
    return found


def test_a_writer_that_is_killed_after_every_commit_leaves_the_same_rows(played: Recording, tmp_path: Path) -> None:
    whole = RecordedWorld(tmp_path / "whole", played)
    whole.record()
    whole.run()
    killed = RecordedWorld(tmp_path / "killed", played)
    killed.record()
    while killed.is_killed_after_a_commit():
        pass
    assert killed.rows() == whole.rows()
    assert killed.gaps() == whole.gaps()
    assert whole.unchecked() == set()
    # A killed writer loses its books. Only streams with checksums have any.
    assert bool(killed.unchecked()) == bool(played.market.adapter.checks)
    assert {data_type for _, data_type in killed.unchecked()} <= set(played.market.adapter.checks)
    assert sum(whole.rows().values()) > 0


def test_a_recording_arrives_in_parquet_whole(played: Recording, tmp_path: Path) -> None:
    world = RecordedWorld(tmp_path / "data", played)
    world.record()
    world.run()
    expected = Counter(one.stream.data_type for one in decoded(played) if one.payload)
    found: Counter[str] = Counter()
    for number, path in enumerate(sealed_segments(tmp_path / "data" / "segments")):
        folder = tmp_path / f"staged-{number}"
        folder.mkdir()
        with open_sealed(path) as segment:
            staged = stage(segment, adapter, folder, lambda: None)
        for file in staged.files:
            found[file.object.data_type] += file.object.rows
            assert list(differences(file.path, file.object, staged.manifest)) == []
            if file.object.data_type in expected:
                assert pq.ParquetFile(file.path).read()["received_at"].null_count == 0
    stored = {data_type: rows for data_type, rows in found.items() if data_type in expected}
    if not world.numbers.duplicates:
        assert stored == expected
    assert sum(stored.values()) == expected.total() - world.numbers.duplicates
    assert found["undecoded"] == world.numbers.undecodable
    assert set(found) - set(expected) <= {"undecoded", "gap"}
