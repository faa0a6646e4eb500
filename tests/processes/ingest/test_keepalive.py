"""A connection is dead only once it was pinged and had its time to answer."""

from collector.processes.ingest.keepalive import Keepalive, KeepaliveAction


def test_an_active_connection_is_never_pinged() -> None:
    keepalive = Keepalive(30.0, 100.0)
    for second in range(1_000):
        keepalive.note_received(100.0 + second)
        assert keepalive.check(100.9 + second) is KeepaliveAction.NOTHING


def test_a_quiet_connection_is_pinged_once_then_dead() -> None:
    keepalive = Keepalive(30.0, 100.0)
    assert [keepalive.check(100.0 + secs) for secs in (14.9, 15.0, 16.0, 29.9, 30.0)] == [
        KeepaliveAction.NOTHING, KeepaliveAction.PING, KeepaliveAction.NOTHING, KeepaliveAction.NOTHING, KeepaliveAction.DEAD,
    ]  # fmt: skip


def test_a_connection_that_answers_pings_is_never_dead() -> None:
    keepalive, asked = Keepalive(30.0, 0.0), 0
    for second in range(3_600):
        due = keepalive.check(float(second))
        assert due is not KeepaliveAction.DEAD
        if due is KeepaliveAction.PING:
            asked += 1
            keepalive.note_received(second + 0.1)
    assert asked == 3_600 // 16


def test_after_a_pause_a_connection_is_pinged_before_it_is_called_dead() -> None:
    keepalive = Keepalive(30.0, 0.0)
    assert keepalive.check(5_000.0) is KeepaliveAction.PING
    assert keepalive.check(5_014.9) is KeepaliveAction.NOTHING
    keepalive.note_received(5_014.95)
    assert keepalive.check(5_020.0) is KeepaliveAction.NOTHING


def test_there_is_nothing_to_do_until_the_ping_is_due_and_then_until_its_answer_is() -> None:
    keepalive = Keepalive(30.0, 100.0)
    assert keepalive.wait_secs(104.0) == 11.0
    assert keepalive.check(115.0) is KeepaliveAction.PING
    assert keepalive.wait_secs(116.0) == 14.0
    assert keepalive.wait_secs(131.0) == 0.0
    keepalive.note_received(117.0)
    assert keepalive.wait_secs(117.0) == 15.0


def test_a_changed_timeout_counts_at_once() -> None:
    keepalive = Keepalive(3_600.0, 100.0)
    assert keepalive.check(110.0) is KeepaliveAction.NOTHING
    keepalive.timeout_secs = 10.0
    assert keepalive.check(110.0) is KeepaliveAction.PING
    assert keepalive.check(115.0) is KeepaliveAction.DEAD
