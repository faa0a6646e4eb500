"""Outages: when no line of a plan stood."""

from collector.domain.outages import Links, Outage


def test_the_first_connection_ever_ends_no_outage() -> None:
    links = Links()
    links.begin("a")
    assert links.connect(1, 0, 100) is None


def test_a_plan_is_down_from_its_last_disconnect_to_its_next_connect() -> None:
    links = Links()
    links.begin("a")
    links.connect(1, 0, 100)
    links.connect(2, 0, 110)
    links.disconnect(1, 200, "disconnect")
    assert links.connect(3, 0, 300) is None
    links.disconnect(2, 400, "disconnect")
    links.disconnect(3, 500, "disconnect")
    assert links.connect(4, 0, 900) == Outage(0, 500, 900, "disconnect")


def test_each_plan_is_judged_apart() -> None:
    links = Links()
    links.begin("a")
    links.connect(1, 0, 100)
    links.connect(2, 1, 100)
    links.disconnect(1, 200, "disconnect")
    assert links.connect(3, 0, 300) == Outage(0, 200, 300, "disconnect")
    assert links.down == {}


def test_a_killed_ingest_was_away_since_its_newest_record() -> None:
    links = Links()
    links.begin("a")
    links.connect(1, 0, 100)
    links.newest_us = 700
    links.begin("b")
    assert links.connect(1, 0, 900) == Outage(0, 700, 900, "restart")
    assert links.connect(2, 0, 950) is None


def test_a_stop_in_order_is_a_restart_since_the_disconnect() -> None:
    links = Links()
    links.begin("a")
    links.connect(1, 0, 100)
    links.disconnect(1, 600, "restart")
    links.newest_us = 650
    links.begin("b")
    assert links.connect(1, 0, 900) == Outage(0, 600, 900, "restart")


def test_a_plan_the_incarnation_before_did_not_know_was_away_too() -> None:
    links = Links()
    links.begin("a")
    links.connect(1, 0, 100)
    links.newest_us = 700
    links.begin("b")
    assert links.connect(1, 1, 900) == Outage(1, 700, 900, "restart")


def test_an_outage_never_ends_before_it_began() -> None:
    links = Links()
    links.begin("a")
    links.connect(1, 0, 100)
    links.disconnect(1, 600, "disconnect")
    assert links.connect(2, 0, 500) == Outage(0, 600, 600, "disconnect")
