"""The writer hears of the first bytes at once, of few more once a second, of many more up to twenty times."""

import math

import pytest

from collector.channel.channel import SPACING_SECS, Notice
from collector.processes.writer_notices import BUSY_SPACING_SECS, MUCH_BYTES, WriterNotices
from collector.storage.journal.writer import JournalWriter


class Journal(JournalWriter):
    """Counts what is said to be appended."""

    def __init__(self) -> None:
        self._number = 7
        self._position = self._appended_bytes = 0

    def grow(self, size_bytes: int) -> None:
        self._position += size_bytes
        self._appended_bytes += size_bytes


class Ingest:
    """The thread that steps, and the threads that append."""

    def __init__(self, commit_secs: float = 5.0) -> None:
        self.journal = Journal()
        self.sent: list[Notice] = []
        self.wakes = 0
        self.notices = WriterNotices(self.journal, "ingest:f", self, self._wake, commit_secs)

    def append(self, size_bytes: int) -> None:
        self.journal.grow(size_bytes)
        self.notices.note_appended()

    def offer(self, notice: Notice) -> None:
        self.sent.append(notice)

    def _wake(self) -> None:
        self.wakes += 1

    def run(self, until_secs: float, size_bytes: int, every_secs: float) -> list[float]:
        """Append so much so often, and step when due or woken; returns when notices were sent."""
        now, append_at, due_at, told = 0.0, 0.0, 0.0, []
        while now < until_secs:
            now = min(append_at, due_at)
            if now >= append_at:
                self.append(size_bytes)
                append_at = now + every_secs
            if now >= due_at or self.wakes:
                self.wakes, before = 0, len(self.sent)
                due_at = now + self.notices.step(now)
                told += [now] * (len(self.sent) - before)
        return told


def test_while_nothing_is_appended_only_an_append_makes_a_step_due() -> None:
    ingest = Ingest()
    assert ingest.notices.step(100.0) == math.inf
    assert ingest.sent == []
    ingest.append(1)
    assert ingest.wakes == 1


def test_the_first_bytes_after_a_quiet_time_are_told_at_once() -> None:
    ingest = Ingest()
    ingest.notices.step(100.0)
    ingest.append(10)
    assert ingest.notices.step(100.0) == SPACING_SECS
    assert ingest.sent == [Notice("ingest:f", "appended", 7, 10)]


def test_few_bytes_wake_nobody_before_the_next_notice_is_due() -> None:
    ingest = Ingest()
    ingest.append(10)
    ingest.notices.step(100.0)
    for _ in range(100):
        ingest.append(10)
    assert ingest.wakes == 0
    assert ingest.notices.step(100.0 + SPACING_SECS) == SPACING_SECS
    assert ingest.sent[-1].position == 1_010
    assert ingest.notices.step(100.0 + 2 * SPACING_SECS) == math.inf
    assert len(ingest.sent) == 2


def test_many_bytes_are_told_sooner_but_not_faster_than_the_busy_spacing() -> None:
    ingest = Ingest()
    ingest.append(10)
    ingest.notices.step(100.0)
    ingest.append(MUCH_BYTES)
    assert ingest.wakes == 1
    assert ingest.notices.step(100.001) == pytest.approx(BUSY_SPACING_SECS - 0.001)
    ingest.append(MUCH_BYTES)
    assert ingest.wakes == 1, "the time to wait is known"
    ingest.notices.step(100.0 + BUSY_SPACING_SECS)
    assert ingest.sent[-1].position == 10 + 2 * MUCH_BYTES


@pytest.mark.parametrize(
    ("size_bytes", "every_secs", "spacing_secs"),
    [(300, 0.1, SPACING_SECS), (3_000, 0.005, 0.44), (MUCH_BYTES, 0.001, BUSY_SPACING_SECS)],
)
def test_notices_follow_the_time_and_not_the_messages(size_bytes: int, every_secs: float, spacing_secs: float) -> None:
    told = Ingest().run(10.0, size_bytes, every_secs)
    assert len(told) == pytest.approx(10 / spacing_secs, rel=0.1)


def test_no_notice_comes_later_than_a_commit_is_due() -> None:
    ingest = Ingest(commit_secs=0.1)
    ingest.append(10)
    assert ingest.notices.step(100.0) == pytest.approx(0.1)


def test_a_writer_that_commits_more_often_from_now_on_is_told_more_often() -> None:
    ingest = Ingest()
    ingest.notices.note_commit_secs(0.1)
    ingest.append(10)
    assert ingest.notices.step(100.0) == pytest.approx(0.1)


@pytest.mark.parametrize("size_bytes", [1, MUCH_BYTES])
def test_bytes_that_are_appended_while_the_step_looks_are_told(size_bytes: int) -> None:
    ingest = Ingest()

    class Growing(Journal):
        """Grows between two looks."""

        looks = 0

        @property
        def appended_bytes(self) -> int:
            self.looks += 1
            if self.looks == 2:
                self.grow(size_bytes)
            return self._appended_bytes

    ingest.journal = Growing()
    ingest.notices = WriterNotices(ingest.journal, "ingest:f", ingest, lambda: None, 5.0)
    ingest.notices.step(100.0)
    assert [notice.position for notice in ingest.sent] == [size_bytes]
