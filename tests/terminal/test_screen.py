import io
from datetime import timedelta
from typing import Any

import pytest
from rich.console import Console

from collector.terminal.heading import About
from collector.terminal.screen import fitted, whole
from collector.terminal.speed import Rates, Speed
from tests.terminal.statuses import NOW, log_events, make_status, many_feeds

ABOUT = About(page="http://127.0.0.1:9464/", log="data/run/recorder.log", stop="Ctrl-C stops")
LATER = NOW + timedelta(seconds=1)


def shown(
    status: dict[str, Any], columns: int, lines: int, rates: Rates | None = None, about: About = ABOUT, **at: Any
) -> list[str]:
    """The lines of a frame of that size."""
    console = Console(width=columns, height=lines, record=True, file=io.StringIO(), force_terminal=True)
    console.print(fitted(status, at.get("now", LATER), console, rates or {}, about))
    return [line.rstrip() for line in console.export_text().splitlines()]


def symbols(count: int) -> tuple[str, ...]:
    return tuple(f"S{number}" for number in range(count))


def with_silent(status: dict[str, Any], count: int) -> dict[str, Any]:
    for stream in status["streams"][-count:]:
        stream["silent"] = True
    text = f"{count} of {len(status['streams'])} streams silent: binance trade (all {count})"
    reason = {"code": "stream_silent", "headline": text, "text": text}
    return {**status, "healthy": False, "headline": f"Recording; {text}", "reasons": [reason]}


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (80, 30), (100, 36), (120, 50), (160, 50), (40, 12), (20, 5)])
def test_a_frame_fills_its_size_and_no_more(columns: int, lines: int) -> None:
    for feeds in (1, 12):
        status = many_feeds({**make_status(symbols=symbols(159)), "events": log_events(30)}, feeds)
        frame = shown(status, columns, lines)
        assert max(map(len, frame)) <= columns
        if lines >= 24:
            assert len(frame) == lines
            assert "page http://127.0.0.1:9464/" in frame[-1]


@pytest.mark.parametrize("feeds", [1, 4, 12])
def test_trouble_processes_flow_totals_and_log_stand_on_the_smallest_usual_screen(feeds: int) -> None:
    status = with_silent(many_feeds({**make_status(symbols=symbols(159)), "events": log_events(30)}, feeds), 40)
    status["processes"][2] |= {"state": "backoff", "restarts": 3}
    status["reasons"].append({"code": "child_failing", "headline": "", "text": "writer is in state backoff"})
    frame = shown(status, 80, 24)
    text = "\n".join(frame)
    assert frame[0].startswith("NOT HEALTHY  Recording; 40 of 160 streams silent")
    for told in (
        "child_failing  writer is in state backoff",
        "frames",
        "messages",
        "stored",
        "archived",
        "lines open",
        "event_29",
        "recorder.log",
    ):
        assert told in text, told
    assert "streams recorded, 40 silent" in text or "of them silent" in text
    assert "…" not in "\n".join(line for line in frame if "event_" not in line)


def test_a_large_screen_shows_processes_beside_the_flow_and_many_streams_and_log_lines() -> None:
    frame = shown({**make_status(symbols=symbols(159)), "events": log_events(30)}, 160, 50)
    (head,) = [line for line in frame if line.startswith("process ")]
    assert "last 5 minutes" in head
    assert sum(line.startswith("binance") for line in frame) >= 10
    assert sum("event_" in line for line in frame) >= 8


def test_silent_streams_come_first() -> None:
    frame = shown(with_silent(make_status(symbols=symbols(100)), 5), 100, 40)
    streams = [line.split()[1] for line in frame if line.startswith("binance")]
    assert set(streams[:5]) == {"S95", "S96", "S97", "S98", "S99"}
    assert any(line == f"and {101 - len(streams)} more streams, none of them silent" for line in frame)


def test_of_equal_streams_those_that_wait_longest_come_first() -> None:
    frame = shown(make_status(symbols=symbols(100)), 100, 40)
    streams = [line.split()[1] for line in frame if line.startswith("binance")]
    assert len(streams) >= 3
    assert streams[:3] == ["BTCUSDT", "S99", "S98"][: len(streams)]


def test_a_screen_with_room_shows_all_streams_before_it_spends_lines_on_space() -> None:
    frame = shown(make_status(symbols=symbols(10)), 120, 60)
    assert sum(line.startswith("binance") for line in frame) == 11
    assert "" in frame


def test_reasons_that_find_no_room_are_counted() -> None:
    reasons = [{"code": f"code_{number}", "headline": "", "text": "x" * 100} for number in range(9)]
    frame = shown({**make_status(), "healthy": False, "reasons": reasons}, 80, 24)
    assert any("code_0" in line for line in frame)
    assert any("more reasons" in line for line in frame)


def test_a_port_that_is_taken_is_said_above_everything_else() -> None:
    about = ABOUT._replace(page="", page_problem="No page: 127.0.0.1:9464 is taken")
    frame = shown(make_status(), 80, 24, about=about)
    assert "No page: 127.0.0.1:9464 is taken" in frame[:4]


def test_a_demonstration_says_so_first() -> None:
    assert shown(make_status(), 80, 24, about=ABOUT._replace(demo="a made-up exchange"))[0] == "DEMO a made-up exchange"


def test_a_stop_says_which_processes_it_waits_for() -> None:
    status = make_status()
    for process, pid in zip(status["processes"][1:], (None, 12, 13), strict=True):
        process |= {"state": "draining", "pid": pid}
    frame = shown(status, 80, 24)
    assert frame[0] == "STOPPING  waiting for writer, archiver"
    assert any(line.split()[:2] == ["ingest:binance", "stopped"] for line in frame)


def test_the_newest_log_line_says_how_often_it_came() -> None:
    status = {**make_status(), "events": log_events(30)}
    status["events"][-1].update(times=1_200, first_at="2026-11-23T09:12:44.000000Z")
    newest = shown(status, 80, 24)[-2]
    assert "event_29" in newest
    assert "1,200 times since 09:12:44" in newest


@pytest.mark.parametrize("rated", [False, True])
def test_a_narrow_screen_cuts_no_figure(*, rated: bool) -> None:
    status = make_status(symbols=("BTCUSDT", "1000000LONGESTUSDT_261225"))
    status["processes"][1]["name"] = f"ingest:{'f' * 64}"
    status["journals"][0].update(feed="f" * 64, lag_bytes=1_234_567_890, lag_secs=86.0, unread_files=12)
    rates: Rates = {(s["exchange"], s["symbol"], s["data_type"]): 12_345.6 for s in status["streams"]} if rated else {}
    frame = shown(status, 60, 40, rates, now=NOW + timedelta(seconds=90))
    assert max(map(len, frame)) <= 60

    def line(start: str) -> list[str]:
        return next(line for line in frame if line.startswith(start)).split()

    assert line("writer  ")[-5:] == ["2", "47.7", "MiB", "3.5", "%"]
    assert line("journal f")[-5:] == ["1.1", "GiB", "86.0", "s", "12"]
    now = "12,346/s" if rated else "12,345,678"
    for symbol in ("BTCUSDT trade", "1000000LONGESTUSDT_"):
        assert now in line(symbol)
        assert line(symbol)[-1] == "ago"


def test_a_stream_has_its_rate_and_the_share_of_its_limit() -> None:
    status = make_status()
    status["streams"][0] |= {"silent": True, "silent_after_secs": 25.0}
    rates: Rates = {("binance", "BTCUSDT", "trade"): 7.25}
    frame = shown(status, 120, 60, rates, now=NOW + timedelta(seconds=30))
    (row,) = [line for line in frame if line.startswith("binance  BTCUSDT")]
    assert "7.2/s" in row
    assert row.endswith("██████████ 25.0 s")


def test_the_rate_of_a_stream_is_that_of_the_last_seconds() -> None:
    speed, key = Speed(), ("binance", "BTCUSDT", "trade")

    def look(messages: int, at_secs: float) -> float | None:
        stream = {**dict(zip(("exchange", "symbol", "data_type"), key, strict=True)), "messages": messages}
        return speed.rates({"streams": [stream]}, at_secs).get(key)

    assert [look(100, 0.0), look(110, 1.0), look(130, 2.0)] == [None, 10.0, 15.0]
    assert look(230, 12.0) == 10.0
    assert look(5, 13.0) == 0.0


@pytest.mark.parametrize(
    ("columns", "foot"),
    [
        (90, "14:00:01 UTC   page http://127.0.0.1:9464/   data/run/recorder.log   Ctrl-C stops"),
        (80, "page http://127.0.0.1:9464/   data/run/recorder.log   Ctrl-C stops"),
        (50, "page http://127.0.0.1:9464/   Ctrl-C stops"),
        (30, "Ctrl-C stops"),
    ],
)
def test_the_foot_says_what_there_is_room_for(columns: int, foot: str) -> None:
    assert shown(make_status(), columns, 24, about=ABOUT)[-1] == foot


def told(status: dict[str, Any]) -> str:
    """What `collector status` prints of it."""
    console = Console(width=120)
    with console.capture() as printed:
        console.print(whole(status, NOW, console))
    return printed.get()


def test_a_status_of_a_demo_says_so() -> None:
    assert told({**make_status(), "demo": True}).startswith("DEMO It records the built-in exchange, not a real one.")
    assert "DEMO" not in told(make_status())


def test_a_recorder_that_has_stored_nothing_is_called_starting() -> None:
    status = {**make_status(), "ready": False, "headline": "Starting, nothing stored yet", "healthy": True}
    assert told(status).startswith("Starting, nothing stored yet")


def test_a_feed_that_has_stopped_is_called_stopped() -> None:
    status = make_status()
    status["processes"] = [{**process, "state": "draining", "pid": None} for process in status["processes"]]
    lines = [line.rstrip() for line in told(status).splitlines()]
    assert lines[0] == "STOPPING"
    assert any(line.split() == ["feed", "binance", "stopped"] for line in lines)


@pytest.mark.parametrize("columns", [100, 160])
def test_what_lines_saved_has_a_column_where_there_are_several(columns: int) -> None:
    status = make_status(symbols=symbols(3))
    assert not any(" saved " in line for line in shown(status, columns, 40))
    status["streams"][0] |= {"first_by_line": {"0": 5, "1": 2}, "saved": 4_321}
    frame = shown(status, columns, 40)
    assert any(" saved " in line for line in frame)
    assert sum("4,321" in line for line in frame) == 1
    assert max(map(len, frame)) <= columns
