from collector.simulator.client_limits import ClientLimits


def test_a_sixth_message_in_a_second_is_too_many() -> None:
    manners = ClientLimits(60, 5)
    assert all(manners.count_message(10 + number / 10) for number in range(5))
    assert not manners.count_message(10.9)


def test_messages_are_counted_over_one_second_only() -> None:
    manners = ClientLimits(60, 5)
    assert all(manners.count_message(number / 4) for number in range(100))


def test_an_exchange_that_counts_no_messages_takes_any_number() -> None:
    manners = ClientLimits(60, None)
    assert all(manners.count_message(10) for _ in range(100))


def test_a_ping_without_its_pong_becomes_overdue() -> None:
    manners = ClientLimits(60, 5)
    assert not manners.overdue(1000)
    manners.note_ping(b"1", 100)
    assert not manners.overdue(160)
    assert manners.overdue(160.1)


def test_a_pong_settles_its_ping_and_those_before() -> None:
    manners = ClientLimits(60, 5)
    for payload, now in ((b"1", 100.0), (b"2", 120.0), (b"3", 140.0)):
        manners.note_ping(payload, now)
    manners.note_pong(b"2")
    assert not manners.overdue(200)
    assert manners.overdue(201)


def test_an_unsolicited_pong_settles_nothing() -> None:
    manners = ClientLimits(60, 5)
    manners.note_ping(b"1", 100)
    manners.note_pong(b"")
    assert manners.overdue(161)
