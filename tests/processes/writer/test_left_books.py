"""A renewed writer leaves its verified books to the next one, which takes them only where it goes on exactly there."""

import shutil
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from msgspec.structs import replace

from collector.config import BookConfig
from collector.domain.errors import CommitError
from collector.processes.writer import left_books
from collector.processes.writer.segment_rotation import SegmentRotation
from collector.storage.journal.format import FeedIdentity, RecordKind
from collector.storage.journal.writer import JournalWriter
from tests.conftest import Lines
from tests.exchanges.recorded_markets import MARKETS, Received, Recording, recording
from tests.processes.writer.test_every_exchange import RecordedWorld
from tests.processes.writer.writer_harness import connection

FRAMES = 600
PARTS = 6
CONNECTION = 1


class KrakenWorld(RecordedWorld):
    """A writer of Kraken's recording, of which the test appends a part at a time, all over one connection."""

    def __init__(self, folder: Path, played: Recording) -> None:
        super().__init__(folder, played)
        self.frames = played.frames[:FRAMES]
        self.now_ns = self.frames[0].at_us * 1_000
        identity = FeedIdentity("f", "kraken", *played.subscription)
        self.log = JournalWriter(folder / "journal" / "f", identity, 1, 1 << 30, lambda: self.now_ns)
        self._journals.append(self.log)
        for plan in range(len(played.market.adapter.shares(played.subscription))):
            self.log.append_event(RecordKind.CONNECT, self.now_ns, 0, connection(plan + 1, plan=plan))
        self.checked = Counter[str]()

    def append(self, frames: list[Received]) -> None:
        for at_us, frame in frames:
            self.log.append_frames(at_us * 1_000, 0, [frame], (), CONNECTION)
        self.now_ns = max(self.now_ns, frames[-1].at_us * 1_000 + 1)

    def parts(self) -> list[list[Received]]:
        bounds = [len(self.frames) * part // PARTS for part in range(PARTS + 1)]
        return [self.frames[first:last] for first, last in pairwise(bounds)]

    def halves(self) -> tuple[list[Received], list[Received]]:
        half = len(self.frames) // 2
        return self.frames[:half], self.frames[half:]

    def renew(self, *, after_secs: float = 1) -> None:
        """Let a writer read what is there, and leave, by default with all of it uncommitted."""
        until = self.secs + after_secs
        self.stop_when = self.renew_when = lambda: self.secs >= until
        self.run_one()

    def stop(self) -> None:
        """Let the last writer read what is there, and stop in order."""
        self.log.close()
        self.renew_when = lambda: False
        self.stop_when = lambda: True
        self.run_one()

    def crash(self, *, after_commits: int) -> None:
        """Let a writer read what is there, and be killed instead of its next commit."""
        self.renew_when = self.stop_when = lambda: False
        writer = self.writer()
        real, done = writer._committer.commit, list[float]()

        def commit() -> float:
            if len(done) == after_commits:
                raise KeyboardInterrupt
            done.append(real())
            return done[-1]

        writer._limit = 20
        writer._committer.commit = commit  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            writer.run()

    def run_one(self) -> None:
        self.writer().run()
        self.checked.update(dict(self.numbers.book_checks))

    @property
    def left(self) -> Path:
        return self.config.data_dir / "run" / left_books.FILE_NAME

    def checksum_gaps(self) -> Counter[tuple[str, str]]:
        """The gaps of books that were wrong, or could not be verified, by kind and cause."""
        rows = set(self.query("SELECT gap_id, kind, cause FROM gaps WHERE kind = 'checksum'"))
        return Counter((kind, cause) for _, kind, cause in rows)


@pytest.fixture(scope="module")
def played(recorded: Lines) -> Recording:
    (market,) = [market for market in MARKETS if market.exchange == "kraken"]
    return recording(market, recorded)


@pytest.fixture
def world(played: Recording, tmp_path: Path) -> KrakenWorld:
    return KrakenWorld(tmp_path, played)


WHOLE = {"matched": 573, "unverified": 10}
"""Every update is held against its checksum; the recorded whole books have none."""


def test_every_book_is_verified_over_renewal_after_renewal(world: KrakenWorld) -> None:
    for part in world.parts():
        world.append(part)
        world.renew()
    world.stop()
    assert world.checked == WHOLE
    assert world.checksum_gaps() == Counter()


def test_a_writer_that_is_renewed_before_it_has_read_anything_leaves_the_books_as_it_took_them(
    world: KrakenWorld,
) -> None:
    first, rest = world.halves()
    world.append(first)
    world.renew()
    world.stop_when = world.renew_when = lambda: True
    world.run_one()
    world.append(rest)
    world.stop()
    assert world.checked == WHOLE
    assert world.checksum_gaps() == Counter()


def test_a_book_that_is_wrong_at_a_renewal_stays_unverified_without_a_row_of_the_renewal(world: KrakenWorld) -> None:
    first, second, *_ = world.parts()
    updates = [index for index, one in enumerate(second) if b'"book"' in one.frame and b'"XMR/USD"' in one.frame]
    world.append(first + second[: updates[0]])
    world.append(second[updates[0] + 1 : updates[1] + 1])
    world.renew()
    assert world.checksum_gaps() == {("checksum", "exchange"): 1}
    world.append(second[updates[1] + 1 :])
    world.stop()
    assert world.checksum_gaps() == {("checksum", "exchange"): 1}
    assert world.checked["unverified"] == WHOLE["unverified"] + len(updates) - 2
    assert world.checked["different"] == 1


def test_a_writer_killed_before_its_first_commit_leaves_the_books_to_the_one_after_it(world: KrakenWorld) -> None:
    first, rest = world.halves()
    world.append(first)
    world.renew()
    world.append(rest)
    world.crash(after_commits=0)
    world.stop()
    assert world.checked == WHOLE
    assert world.checksum_gaps() == Counter()


def test_after_a_writer_killed_later_no_book_is_verified_that_stood_elsewhere(world: KrakenWorld) -> None:
    first, rest = world.halves()
    world.append(first)
    world.renew()
    world.append(rest)
    world.crash(after_commits=1)
    checked = world.checked["matched"]
    world.stop()
    assert world.checked["matched"] == checked, "nothing without a book, and the recording has no fresh one"
    assert set(world.checksum_gaps()) == {("checksum", "restart")}
    assert not world.left.exists()


def test_books_of_an_earlier_renewal_are_not_taken(world: KrakenWorld, tmp_path: Path) -> None:
    first, second, *_ = world.parts()
    world.append(first)
    world.renew()
    earlier = shutil.copy(world.left, tmp_path / "earlier")
    world.append(second)
    world.renew()
    shutil.copy(earlier, world.left)
    checked = world.checked["matched"]
    world.append(world.parts()[2])
    world.stop()
    assert world.checked["matched"] == checked
    assert set(world.checksum_gaps()) == {("checksum", "restart")}


def cut(content: bytes) -> bytes:
    return content[:-100]


def changed(content: bytes) -> bytes:
    return content.replace(b"XMR/USD", b"XMR/USE", 1)


def of_another_version(content: bytes) -> bytes:
    return content.replace(b"left 1", b"left 2", 1)


def empty(content: bytes) -> bytes:
    return content[:0]


@pytest.mark.parametrize("damage", [cut, changed, of_another_version, empty])
def test_a_file_that_is_damaged_or_of_another_version_is_not_taken(
    world: KrakenWorld, damage: Callable[[bytes], bytes]
) -> None:
    first, rest = world.halves()
    world.append(first)
    world.renew()
    content = world.left.read_bytes()
    assert damage(content) != content
    world.left.write_bytes(damage(content))
    world.append(rest)
    world.stop()
    assert "books_not_taken" in world.events
    assert set(world.checksum_gaps()) == {("checksum", "restart")}


def test_books_whose_updates_could_not_be_committed_are_not_left(
    world: KrakenWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_rotation: SegmentRotation, _commit: object) -> None:
        raise CommitError("of no use")

    first, rest = world.halves()
    world.append(first)
    with monkeypatch.context() as broken:
        broken.setattr(SegmentRotation, "store", fail)
        world.renew()
    assert "commit_failed" in world.events
    assert not world.left.exists()
    assert world.payloads() == []
    checked = world.checked["matched"]
    world.append(rest)
    world.stop()
    assert world.checked["matched"] == checked + WHOLE["matched"], "it read everything again"
    assert world.checksum_gaps() == Counter()


def test_a_disk_too_full_to_commit_holds_up_no_renewal(world: KrakenWorld) -> None:
    first, *_ = world.parts()
    world.append(first)
    until = world.secs + 1

    def renewed() -> bool:
        if world.secs >= until:
            world.free = 0
        return world.free == 0

    world.stop_when = world.renew_when = renewed
    world.run_one()
    assert not world.left.exists()
    assert world.payloads() == []


def test_a_file_that_cannot_be_written_is_told(world: KrakenWorld) -> None:
    world.append(world.parts()[0])
    world.left.parent.mkdir(parents=True)
    world.left.with_name(f"{left_books.FILE_NAME}.new").mkdir()
    world.renew()
    assert "books_not_left" in world.events


def test_where_books_are_not_verified_none_are_left_or_taken(world: KrakenWorld) -> None:
    first, second, third, *_ = world.parts()
    world.append(first)
    world.renew()
    taken, checked = world.left.read_bytes(), world.checked["matched"]
    world.config = replace(world.config, book=BookConfig(verify_checksums=False))
    world.append(second)
    world.renew(after_secs=10)
    assert world.left.read_bytes() == taken
    world.config = replace(world.config, book=BookConfig(verify_checksums=True))
    world.append(third)
    world.stop()
    assert world.checked["matched"] == checked, "the books of the first do not stand where the third begins"
    assert set(world.checksum_gaps()) == {("checksum", "unknown")}
