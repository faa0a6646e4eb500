"""A connection is dead only once it was pinged and had its time to answer."""

from collector.processes.ingest.keepalive import Keepalive, KeepaliveAction


def test_an_active_connection_is_never_pinged() -> None:
    keepalive = Keepalive(30.0, 100.0)
    for second in range(1_000):
        keepalive.note_received(100.0 + second)
        assert keepalive.check(100.9 + second) is KeepaliveAction.NOTHING


def test_a_quiet_connection_is_pinged_once_then_doubtful_then_dead() -> None:
    keepalive = Keepalive(32.0, 100.0)
    nothing = KeepaliveAction.NOTHING
    assert [keepalive.check(100.0 + secs) for secs in (7.9, 8.0, 15.9, 16.0, 17.0, 31.9, 32.0)] == [
        nothing, KeepaliveAction.PING, nothing, KeepaliveAction.DOUBT, nothing, nothing, KeepaliveAction.DEAD,
    ]  # fmt: skip


def test_a_doubtful_connection_that_answers_is_pinged_anew() -> None:
    keepalive = Keepalive(32.0, 100.0)
    assert [keepalive.check(108.0), keepalive.check(116.0)] == [KeepaliveAction.PING, KeepaliveAction.DOUBT]
    assert keepalive.is_doubtful
    keepalive.note_received(120.0)
    assert not keepalive.is_doubtful
    assert keepalive.wait_secs(120.0) == 8.0
    assert [keepalive.check(128.0), keepalive.check(136.0)] == [KeepaliveAction.PING, KeepaliveAction.DOUBT]


def test_a_connection_that_answers_pings_is_never_dead() -> None:
    keepalive, asked = Keepalive(32.0, 0.0), 0
    for second in range(3_600):
        due = keepalive.check(float(second))
        assert due not in {KeepaliveAction.DOUBT, KeepaliveAction.DEAD}
        if due is KeepaliveAction.PING:
            asked += 1
            keepalive.note_received(second + 0.1)
    assert asked == 3_600 // 9


def test_after_a_pause_a_connection_is_pinged_before_it_is_doubted() -> None:
    keepalive = Keepalive(32.0, 0.0)
    assert keepalive.check(5_000.0) is KeepaliveAction.PING
    assert keepalive.check(5_007.9) is KeepaliveAction.NOTHING
    keepalive.note_received(5_007.95)
    assert keepalive.check(5_008.0) is KeepaliveAction.NOTHING


def test_after_a_pause_a_connection_is_doubted_before_it_is_called_dead() -> None:
    keepalive = Keepalive(32.0, 0.0)
    assert keepalive.check(8.0) is KeepaliveAction.PING
    assert keepalive.check(5_000.0) is KeepaliveAction.DOUBT


def test_there_is_nothing_to_do_until_the_next_step_is_due() -> None:
    keepalive = Keepalive(32.0, 100.0)
    assert keepalive.wait_secs(104.0) == 4.0
    assert keepalive.check(108.0) is KeepaliveAction.PING
    assert keepalive.wait_secs(109.0) == 7.0
    assert keepalive.check(116.0) is KeepaliveAction.DOUBT
    assert keepalive.wait_secs(117.0) == 15.0
    assert keepalive.wait_secs(133.0) == 0.0
    keepalive.note_received(117.0)
    assert keepalive.wait_secs(117.0) == 8.0


def test_a_changed_timeout_counts_at_once() -> None:
    keepalive = Keepalive(3_600.0, 100.0)
    assert keepalive.check(110.0) is KeepaliveAction.NOTHING
    keepalive.timeout_secs = 10.0
    assert keepalive.check(110.0) is KeepaliveAction.PING
    assert keepalive.check(112.5) is KeepaliveAction.DOUBT
    assert keepalive.check(117.5) is KeepaliveAction.DEAD
