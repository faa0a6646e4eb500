"""What is known of all hosts: who is silent is shown so, and forgotten after a day."""

from collector.processes.cluster.host_board import DEAD_SECS, FORGOTTEN_SECS, REPEAT_SECS, HostBoard
from collector.processes.cluster.values import HostValue, encode
from collector.reports import HostSummary

ME = HostSummary(host="me", role="edge")


def value(beat: int, **fields: bool) -> bytes:
    return encode(HostValue(beat, HostSummary(host="x", role="storage", **fields)))  # type: ignore[arg-type]


def board_at(*, until: float) -> HostBoard:
    """A board on which `x` spoke once, as it began."""
    board = HostBoard("me", 0.0)
    for second in range(round(until) + 1):
        board.observe({"x": value(1), "me": bytes([second % 256])}, float(second))
    board.due(ME, until)
    return board


def test_a_host_that_is_silent_for_long_is_not_alive() -> None:
    (me, other) = board_at(until=DEAD_SECS - 1).shown(DEAD_SECS - 1)
    assert (me, other.host, other.is_alive, other.seen_secs) == (ME, "x", True, DEAD_SECS - 1)
    (_, other) = board_at(until=DEAD_SECS).shown(DEAD_SECS)
    assert not other.is_alive


def test_while_the_servers_are_away_the_others_are_shown_as_they_were_and_since_when() -> None:
    board = board_at(until=3)
    board.interrupt()
    (_, other) = board.shown(1_000.0)
    assert (other.is_alive, other.seen_secs) == (True, 1_000.0)


def test_a_host_that_is_gone_for_a_day_is_forgotten() -> None:
    board = HostBoard("me", 0.0)
    gone = {hour: board.observe({"x": value(1)}, hour * 3_600.0) for hour in range(25)}
    assert {hour: names for hour, names in gone.items() if names} == {24: ["x"]}
    assert board.shown(FORGOTTEN_SECS) == []


def test_what_has_not_changed_is_told_seldom_and_at_once_after_the_servers_were_away() -> None:
    board = HostBoard("me", 0.0)
    assert board.due(ME, 0.0)
    assert board.due(ME, 2.0) is None
    assert board.due(HostSummary(host="me", role="edge", healthy=True), 2.0)
    assert board.due(HostSummary(host="me", role="edge", healthy=True), 2.0 + REPEAT_SECS)
    board.interrupt()
    assert board.due(HostSummary(host="me", role="edge", healthy=True), 2.1 + REPEAT_SECS)


def test_a_host_that_leaves_in_order_is_not_alive_at_once_and_is_again_when_it_speaks() -> None:
    board = board_at(until=2)
    leaver = HostBoard("x", 0.0)
    assert leaver.farewell() is None
    leaver.due(HostSummary(host="x", role="storage"), 0.0)
    farewell = leaver.farewell()
    assert farewell is not None
    board.observe({"x": farewell}, 3.0)
    assert [host.is_alive for host in board.shown(3.0) if host.host == "x"] == [False]
    board.observe({"x": value(9)}, 4.0)
    assert [host.is_alive for host in board.shown(4.0) if host.host == "x"] == [True]
