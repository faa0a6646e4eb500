"""Which connections are open, and since when a stream is offline."""

from collector.domain.silence import Outage, StreamActivity
from collector.processes.writer.gaps.connection_log import ConnectionLog, Ended


def test_a_stream_that_no_connection_carried_before_ends_no_outage() -> None:
    assert StreamActivity().come_online(100) is None


def test_an_outage_lasts_until_a_connection_opens() -> None:
    activity = StreamActivity()
    activity.go_offline(500, "disconnect")
    activity.go_offline(700, "restart")
    assert activity.come_online(900) == Outage(500, 900, "disconnect")
    assert activity.come_online(950) is None


def test_an_outage_never_ends_before_it_began() -> None:
    activity = StreamActivity()
    activity.go_offline(600, "disconnect")
    assert activity.come_online(500) == Outage(600, 600, "disconnect")


def test_quiet_connected_time_adds_up_over_connections() -> None:
    activity = StreamActivity(last_message_us=100)
    activity.add_quiet_time(50, 300)
    activity.add_quiet_time(1_000, 1_400)
    assert activity.quiet_connected_us == 600
    assert activity.silent_us(2_000, 2_500) == 1_100
    activity.last_message_us = 2_600
    assert activity.silent_us(2_000, 2_700) == 100
    activity.add_quiet_time(2_000, 2_900)
    assert activity.quiet_connected_us == 300


def test_a_plan_is_down_once_none_of_its_connections_stands() -> None:
    links = ConnectionLog()
    links.begin("a")
    links.connect(1, 0, 100)
    links.connect(2, 0, 110, line=1)
    assert links.disconnect(1, 200) == Ended(0, None, 200, [])
    links.connect(3, 0, 300)
    assert links.disconnect(2, 400) == Ended(0, None, 400, [])
    assert links.disconnect(3, 500) == Ended(0, 100, 500, [])


def test_a_dead_connection_leaves_its_gap_though_another_has_opened() -> None:
    links = ConnectionLog()
    links.begin("a")
    links.connect(1, 0, 0)
    links.connect(2, 0, 0, line=1)
    assert links.disconnect(1, 100) == Ended(0, None, 100, [])
    links.connect(3, 0, 130)
    assert links.disconnect(2, 90) == Ended(0, None, 90, [(100, 130)])
    assert links.disconnect(3, 500) == Ended(0, 130, 500, [])


def test_a_short_live_connection_splits_the_outage_of_a_dead_one() -> None:
    links = ConnectionLog()
    links.begin("a")
    links.connect(1, 0, 0)
    links.connect(2, 0, 100)
    links.disconnect(2, 120)
    assert links.disconnect(1, 50) == Ended(0, 0, 120, [(50, 100)])


def test_short_connections_beside_a_lasting_one_leave_little_state() -> None:
    links = ConnectionLog()
    links.begin("a")
    links.connect(1, 0, 0)
    for number in range(2, 1_000):
        links.connect(number, 0, 10 * number)
        links.disconnect(number, 10 * number + 5)
    assert len(links.lives[0]) < 100


def test_each_plan_is_judged_apart() -> None:
    links = ConnectionLog()
    links.begin("a")
    links.connect(1, 0, 100)
    links.connect(2, 1, 120)
    assert links.disconnect(1, 200) == Ended(0, 100, 200, [])
    assert links.since == {1: 120}


def test_two_connections_of_a_plan_on_one_line_are_not_alone() -> None:
    links = ConnectionLog()
    links.begin("a")
    links.connect(1, 0, 100)
    links.connect(2, 0, 110)
    links.connect(3, 0, 120, line=1)
    assert (links.is_alone(0, 0), links.is_alone(0, 1)) == (False, True)


def test_plans_of_an_ended_incarnation_leave_no_state() -> None:
    links = ConnectionLog()
    links.begin("a")
    for number in range(100):
        links.connect(number, number, 100)
        links.disconnect(number, 200)
    links.connect(1, 0, 300)
    links.newest_us = 700
    links.begin("b")
    assert links == ConnectionLog("b", newest_us=700)
