"""A child tells the supervisor only what its reports do not show."""

from collector.channel.channel import Notice
from collector.processes.heartbeat import Heartbeat


class Sender:
    """Keeps what was sent."""

    def __init__(self) -> None:
        self.told: list[int] = []

    def offer(self, notice: Notice) -> None:
        self.told.append(notice.number)

    def retry(self) -> None:
        pass


def heartbeat() -> tuple[Heartbeat, list[int]]:
    sender = Sender()
    return Heartbeat(sender, "writer"), sender.told


def test_a_child_that_reports_and_waits_for_the_disk_only_for_moments_sends_nothing() -> None:
    beating, told = heartbeat()
    for _ in range(100):
        beating.note_wait(True)
        beating.note_wait(False)
        beating.note_report()
        beating.beat()
    assert told == []


def test_a_wait_for_the_disk_is_told_once_while_it_lasts_and_so_is_its_end() -> None:
    beating, told = heartbeat()
    beating.note_wait(True)
    for _ in range(100):
        beating.beat()
    assert told == [1]
    beating.note_wait(False)
    beating.note_report()
    for _ in range(100):
        beating.beat()
    assert told == [1, 0]


def test_a_child_that_goes_on_without_reporting_tells_so() -> None:
    beating, told = heartbeat()
    for _ in range(3):
        beating.note_wait(True)
        beating.note_wait(False)
        beating.beat()
    assert told == [0, 0, 0]


def test_each_of_many_long_waits_shows_that_the_child_goes_on() -> None:
    beating, told = heartbeat()
    for _ in range(3):
        beating.note_wait(True)
        beating.beat()
        beating.note_wait(False)
    assert told == [1, 1, 1]


def test_a_child_that_does_nothing_tells_nothing() -> None:
    beating, told = heartbeat()
    for _ in range(100):
        beating.beat()
    assert told == []
