from typing import Any

from collector.domain.log import Log


def test_an_event_is_handed_over_with_its_level_and_what_is_bound_before_its_own_fields() -> None:
    taken: list[tuple[str, list[tuple[str, Any]]]] = []
    log = Log(lambda level, fields: taken.append((level, list(fields.items()))))
    of_feed = log.bind(feed="binance").bind(line=1)
    of_feed.warning("line_lost", line=2)
    log.info("line_open")
    try:
        int("line")
    except ValueError:
        log.exception("line_failed")
    assert taken == [
        ("warning", [("event", "line_lost"), ("feed", "binance"), ("line", 2)]),
        ("info", [("event", "line_open")]),
        ("error", [("event", "line_failed"), ("exc_info", True)]),
    ]
