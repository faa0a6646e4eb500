"""What is sent when; times are seconds that the test sets."""

import math
from itertools import pairwise

import pytest

from collector.feed.outbox import HOUR_SECS, MOST_REPLIES, PACE_MARGIN, Outbox, Pace


def sent_until(outbox: Outbox, end: float) -> list[tuple[float, str]]:
    """Everything that is sent at the moment it is due, and when."""
    sent = []
    while outbox.due_at <= end:
        at = outbox.due_at
        sent.append((at, outbox.take(at)))
    return sent


def test_messages_of_every_kind_keep_to_the_pace() -> None:
    outbox = Outbox("abcdefgh", Pace(10, keepalive="ping", keepalive_secs=0.5), 0.0)
    outbox.reply("pong")
    sent = sent_until(outbox, 3.0)

    assert {text for _, text in sent} == {*"abcdefgh", "ping", "pong"}
    assert min(later - sooner for (sooner, _), (later, _) in pairwise(sent)) >= PACE_MARGIN / 10 - 1e-9


def test_a_reply_goes_before_the_requests_that_wait() -> None:
    outbox = Outbox("ab", Pace(10), 0.0)
    outbox.take(0.0)
    outbox.reply("pong")
    outbox.request("c")

    assert [text for _, text in sent_until(outbox, 10.0)] == ["pong", "b", "c"]


def test_a_keepalive_goes_out_in_its_interval_whatever_else_waits() -> None:
    outbox = Outbox(map(str, range(1_000)), Pace(1.25, keepalive="ping", keepalive_secs=20.0), 5.0)
    pings = [at for at, text in sent_until(outbox, 500.0) if text == "ping"]

    assert all(later - sooner <= 20 + 1 for sooner, later in pairwise([5.0, *pings]))
    assert all(later - sooner >= 20 for sooner, later in pairwise(pings))


@pytest.mark.parametrize("secs", [0.0, 1e-9, math.nan])
def test_keepalives_leave_room_for_requests_however_often_they_are_wanted(secs: float) -> None:
    outbox = Outbox("abc", Pace(10, keepalive="ping", keepalive_secs=secs), 0.0)
    sent = [text for _, text in sent_until(outbox, 1.0)]

    assert [text for text in sent if text != "ping"] == ["a", "b", "c"]
    assert len(sent) <= 1 + 10 / PACE_MARGIN


def test_without_a_keepalive_nothing_is_due_once_all_is_sent() -> None:
    outbox = Outbox("a", Pace(10), 0.0)

    assert sent_until(outbox, 10.0) == [(0.0, "a")]
    assert outbox.due_at == math.inf


def test_no_hour_has_more_requests_than_allowed() -> None:
    outbox = Outbox(map(str, range(1_000)), Pace(3, requests_per_hour=480), 100.0)
    times = [at for at, _ in sent_until(outbox, 100.0 + 2.5 * HOUR_SECS)]

    assert len(times) == 1_000
    assert all(times[number + 480] - times[number] >= HOUR_SECS for number in range(520))


def test_replies_and_keepalives_are_no_requests_of_the_hour() -> None:
    outbox = Outbox("ab", Pace(1, requests_per_hour=1, keepalive="ping", keepalive_secs=1_000.0), 0.0)
    outbox.take(0.0)
    outbox.reply("pong")

    assert [text for _, text in sent_until(outbox, HOUR_SECS)] == ["pong", "ping", "ping", "ping", "b"]


def test_an_exchange_that_asks_without_end_costs_no_memory() -> None:
    outbox = Outbox((), Pace(1), 0.0)
    for number in range(10_000):
        outbox.reply(str(number))

    assert [text for _, text in sent_until(outbox, 1e6)] == [
        str(number) for number in range(10_000 - MOST_REPLIES, 10_000)
    ]


def test_nothing_is_sent_once_it_is_cleared() -> None:
    outbox = Outbox("abc", Pace(1, keepalive="ping", keepalive_secs=1.0), 0.0)
    outbox.reply("pong")
    outbox.clear()

    assert sent_until(outbox, 1e6) == []
    assert outbox.requests == 0
