from typing import Any

from collector.supervision.events import KEPT, Event, Events


def report(*events: tuple[int, str, str], pid: int = 1) -> dict[str, Any]:
    return {"pid": pid, "events": [[number, at, "info", event, "rows=1"] for number, at, event in events]}


def test_an_event_is_taken_once_however_often_it_is_reported() -> None:
    events = Events()
    events.take("writer", report((1, "10:00", "segment_opened")))
    events.take("writer", report((1, "10:00", "segment_opened"), (2, "10:01", "segment_sealed")))
    assert events.newest() == (
        Event("10:00", "info", "writer", "segment_opened", "rows=1"),
        Event("10:01", "info", "writer", "segment_sealed", "rows=1"),
    )


def test_a_new_process_begins_to_count_anew() -> None:
    events = Events()
    events.take("writer", report((7, "10:00", "segment_opened")))
    events.take("writer", report((1, "10:01", "segment_opened"), pid=2))
    events.take("writer", report((1, "10:01", "segment_opened"), pid=2))
    assert [event.at for event in events.newest()] == ["10:00", "10:01"]


def test_events_of_all_processes_stand_in_the_order_they_happened() -> None:
    events = Events()
    events.take("writer", report((1, "10:02", "segment_sealed")))
    events.take("archiver", report((1, "10:01", "segment_archived"), (2, "10:03", "segment_archived")))
    assert [event.at for event in events.newest()] == ["10:01", "10:02", "10:03"]


def test_only_the_newest_are_kept() -> None:
    events = Events()
    events.take("writer", report(*((number, f"{number:06}", "connected") for number in range(1, 3 * KEPT))))
    assert [event.at for event in events.newest()] == [f"{number:06}" for number in range(2 * KEPT, 3 * KEPT)]


def test_a_report_without_events_changes_nothing() -> None:
    events = Events()
    events.take("writer", {"pid": 1})
    assert events.newest() == ()
