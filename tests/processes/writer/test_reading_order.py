"""Answers of repair are read after what their feed received before them, and never wait for ever."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from collector.processes.writer.reading_order import ReadingOrder
from collector.storage.journal.format import FeedIdentity, RecordKind, frames_of
from collector.storage.journal.journal_file import CHUNK_BYTES, Chunk
from collector.storage.journal.reader import JournalReader
from collector.storage.journal.relayed import IN_SLICE, RelayedHead
from collector.storage.journal.writer import JournalWriter
from tests.storage.journal.dead_journals import let_go

LONG = b"x" * (CHUNK_BYTES // 3)


class Journals:
    """The journals of some feeds on disk; the test sets the time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.gone: set[str] = set()
        """Journals whose process is dead, from their beginning."""
        self._names: list[str] = []
        self._begun: dict[str, JournalWriter] = {}

    def begin(self, name: str, *, at: int = 1) -> JournalWriter:
        self._names = sorted({*self._names, name})
        identity = FeedIdentity(name, "binance", (), ())
        self._begun[name] = JournalWriter(self._folder / name, identity, 1, 1 << 30, lambda: at)
        if name in self.gone:
            let_go([self._begun[name]])
        return self._begun[name]

    def order(self, *more: str) -> ReadingOrder:
        return ReadingOrder({name: self._reader(name) for name in sorted({*self._names, *more})})

    def _reader(self, name: str) -> JournalReader:
        return JournalReader(self._folder / name, name, {})


@pytest.fixture
def journals(tmp_path: Path) -> Journals:
    return Journals(tmp_path)


def add(journal: JournalWriter, *frames: tuple[int, bytes]) -> None:
    for received_ns, frame in frames:
        journal.append_frames(received_ns, 0, [frame])


def found(chunk: Chunk) -> list[bytes]:
    records = [record for record in chunk.records if record.kind is RecordKind.FRAMES]
    return [frame.data[:6] for record in records for frame in frames_of(record)]


def rounds(order: ReadingOrder, between: Callable[[], None] = lambda: None) -> Iterator[list[bytes]]:
    """The chunks of each round, until a round has none."""
    while True:
        chunks = [chunk for _, chunk in order.round() if chunk is not None]
        if not chunks:
            return
        yield [frame for chunk in chunks for frame in found(chunk)]
        between()


def all_of(order: ReadingOrder) -> list[bytes]:
    return [frame for frames in rounds(order) for frame in frames]


def test_an_answer_is_read_after_older_records_even_from_an_older_file(journals: Journals) -> None:
    add(journals.begin("f~rest", at=1), (25, b"answer"), (45, b"second"))
    add(journals.begin("f", at=10), *((at, b"%06d" % at + LONG) for at in range(10, 60, 10)))
    read = all_of(journals.order())
    assert read.index(b"000020") < read.index(b"answer") < read.index(b"second")
    assert read.index(b"000040") < read.index(b"second")


def test_answers_do_not_wait_for_the_end_of_a_backlog(journals: Journals) -> None:
    add(journals.begin("f~rest"), (25, b"answer"))
    add(journals.begin("f"), *((at, b"%06d" % at + LONG) for at in range(10, 200, 10)))
    read = all_of(journals.order())
    assert read.index(b"answer") < read.index(b"000190")


def test_answers_come_though_their_feed_is_never_read_to_its_end(journals: Journals) -> None:
    fetched, feed = journals.begin("f~rest"), journals.begin("f")
    now = 0

    def receive() -> None:
        nonlocal now
        now += 10
        add(feed, *((now, b"%06d" % now + LONG) for _ in range(9)))

    receive()
    add(fetched, (45, b"answer"))
    for number, frames in enumerate(rounds(journals.order(), receive)):
        if b"answer" in frames:
            return
        assert number < 60, "the answer is never read"


def test_answers_come_at_once_where_their_feed_has_nothing_left(journals: Journals) -> None:
    add(journals.begin("f~rest"), (25, b"answer"))
    add(journals.begin("gone~rest"), (25, b"other"))
    add(journals.begin("f"), (10, b"before"))
    assert [*rounds(journals.order("gone"))] == [[b"before", b"other"], [b"answer"]]


def test_answers_wait_for_the_end_if_the_clock_was_set_back(journals: Journals) -> None:
    add(journals.begin("f~rest"), (5_000, b"answer"))
    add(journals.begin("f"), (4_000, b"before"), (100, b"behind"))
    assert all_of(journals.order()) == [b"before", b"behind", b"answer"]


def test_answers_wait_for_the_finished_file_of_another_feed(journals: Journals) -> None:
    journals.gone = {"before", "now"}
    add(journals.begin("now~rest", at=8), (9, b"answer"))
    before = journals.begin("before", at=2)
    add(before, *((at, b"%06d" % at + LONG) for at in range(2, 8)))
    journals.begin("now", at=8)
    assert all_of(journals.order()) == [*(b"%06d" % at for at in range(2, 8)), b"answer"]


def test_the_journal_of_repair_is_read_to_its_end_too(journals: Journals) -> None:
    fetched = journals.begin("f~rest")
    add(fetched, *((at, b"%06d" % at + LONG) for at in range(10, 100, 10)))
    fetched.close()
    feed = journals.begin("f")
    add(feed, (50, b"middle"))
    feed.close()
    read = all_of(journals.order())
    assert len(read) == 10
    assert read.index(b"middle") == 0


def test_slices_of_edges_are_read_one_by_one_and_their_times_count_for_answers(tmp_path: Path) -> None:
    edge = JournalWriter(tmp_path / "edge", FeedIdentity("a", "binance", (), ()), 1, 1 << 20, lambda: 1)
    add(edge, (10, b"edge 1"), (20, b"edge 2"))
    data = (tmp_path / "edge" / "000000000001.journal").read_bytes()
    relay = JournalWriter(
        tmp_path / "a", FeedIdentity("a", "binance", (), ()), 1, 1 << 20, lambda: 1, sources=lambda: ()
    )
    for name in ("e1", "e2"):
        head = RelayedHead(name, 0, "x", name, 1, 0, len(data), IN_SLICE)
        relay.append_relayed(1_000, 0, lambda _number, head=head: head, data)  # type: ignore[misc]
    fetched = JournalWriter(tmp_path / "a~rest", FeedIdentity("a~rest", "binance", (), ()), 1, 1 << 20, lambda: 1)
    add(fetched, (15, b"before"), (999, b"behind"))
    order = ReadingOrder({name: JournalReader(tmp_path / name, name, {}) for name in ("a", "a~rest")})
    read = list(rounds(order))
    assert read[:4] == [[b"edge 1", b"edge 2"], [b"before"], [b"edge 1", b"edge 2"], [b"behind"]]
