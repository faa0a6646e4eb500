from collector.monitoring.events import KEPT, Event, Events
from collector.reports import RecentEvent, Report


def report(*events: tuple[int, str, str], pid: int = 1) -> Report:
    return Report(pid=pid, events=[RecentEvent(number, at, "info", event, "rows=1") for number, at, event in events])


def test_an_event_is_taken_once_however_often_it_is_reported() -> None:
    events = Events()
    events.take("writer", report((1, "10:00", "segment_opened")))
    events.take("writer", report((1, "10:00", "segment_opened"), (2, "10:01", "segment_sealed")))
    assert events.newest() == (
        Event("10:00", "info", "writer", "segment_opened", "rows=1", 1, "10:00"),
        Event("10:01", "info", "writer", "segment_sealed", "rows=1", 1, "10:01"),
    )


def failures(*errors: str, pid: int = 1) -> Report:
    events = [
        RecentEvent(
            number, f"10:0{number}", "warning", "connect_failed", f"line={number} error={error} retry_secs={number}.5"
        )
        for number, error in enumerate(errors, 1)
    ]
    return Report(pid=pid, events=events)


def test_what_a_process_says_again_and_again_is_one_event_with_a_count() -> None:
    events = Events()
    events.take("ingest:binance", failures("refused"))
    events.take("writer", report((1, "10:02", "segment_sealed")))
    events.take("ingest:binance", failures("refused", "refused", "refused"))
    assert events.newest() == (
        Event("10:02", "info", "writer", "segment_sealed", "rows=1", 1, "10:02"),
        Event(
            "10:03", "warning", "ingest:binance", "connect_failed", "line=3 error=refused retry_secs=3.5", 3, "10:01"
        ),
    )
    events.take("ingest:binance", failures("refused", pid=2))
    assert [(event.event, event.times) for event in events.newest() if event.level == "warning"] == [
        ("connect_failed", 4)
    ]


def test_another_subject_or_another_process_is_another_event() -> None:
    events = Events()
    events.take("ingest:binance", failures("refused", "reset", "refused"))
    events.take("ingest:kraken", failures("refused"))
    assert [event.times for event in events.newest()] == [1, 1, 1, 1]


def test_a_new_process_begins_to_count_anew() -> None:
    events = Events()
    events.take("writer", report((7, "10:00", "segment_opened")))
    events.take("writer", report((1, "10:01", "segment_opened"), pid=2))
    events.take("writer", report((1, "10:01", "segment_opened"), pid=2))
    assert [(event.at, event.times) for event in events.newest()] == [("10:01", 2)]


def test_events_of_all_processes_stand_in_the_order_they_happened() -> None:
    events = Events()
    events.take("writer", report((1, "10:02", "segment_sealed")))
    events.take("archiver", report((1, "10:01", "segment_archived"), (2, "10:03", "segments_left_waiting")))
    assert [event.at for event in events.newest()] == ["10:01", "10:02", "10:03"]


def test_only_the_newest_are_kept() -> None:
    events = Events()
    events.take("writer", report(*((number, f"{number:06}", f"event_{number}") for number in range(1, 3 * KEPT))))
    assert [event.at for event in events.newest()] == [f"{number:06}" for number in range(2 * KEPT, 3 * KEPT)]


def test_a_report_without_events_changes_nothing() -> None:
    events = Events()
    events.take("writer", Report(pid=1))
    assert events.newest() == ()
