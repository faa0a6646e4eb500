import ast
import contextlib
import fcntl
import json
import os
import re
import select
import subprocess
import sys
import textwrap
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from collector import logs
from collector.logs import event_limit
from collector.logs.line import MAX_LINE_BYTES

ROOT = Path(__file__).parents[2]
DEADLINE_SECS = 60.0
LOGGING_METHODS = {"debug", "info", "warning", "error", "critical", "exception"}
LOGGERS = {"log", "_log", "logger", "_logger", "limited", "_limited"}


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe whose ends may be closed by the test."""
    reader, writer = os.pipe()
    yield reader, writer
    for fd in (reader, writer):
        with contextlib.suppress(OSError):
            os.close(fd)


@pytest.fixture
def unlimited(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event may be logged as often as it likes."""
    monkeypatch.setattr(event_limit, "LINES", 1 << 30)


def read_lines(reader: int, until: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
    """Read JSON lines until `until` holds for them; fails when the deadline passes first."""
    ends_at, received = time.monotonic() + DEADLINE_SECS, b""
    lines: list[dict[str, Any]] = []
    while not until(lines):
        ready, _, _ = select.select([reader], [], [], max(0.0, ends_at - time.monotonic()))
        assert ready, f"only {len(lines)} lines came: {lines[-2:]}"
        received += os.read(reader, 1 << 16)
        *whole, received = received.split(b"\n")
        lines += [json.loads(line) for line in whole]
    return lines


def count(lines: list[dict[str, Any]]) -> int:
    """Lines written and lines said to be dropped."""
    return sum(line["lines"] if line["event"] == "log_lines_dropped" else 1 for line in lines)


def run_python(code: str, *, stdout: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", textwrap.dedent(code)]
    return subprocess.Popen(command, cwd=ROOT, stdout=stdout, stderr=subprocess.PIPE)


def test_a_line_names_time_level_process_event_and_run_before_its_fields(pipe: tuple[int, int]) -> None:
    logs.setup("writer", "run-1", "json", "info", pipe[1]).info("segment_sealed", rows=3)
    assert logs.flush(DEADLINE_SECS)
    line = json.loads(os.read(pipe[0], 65_536))
    assert list(line) == ["ts", "level", "process", "event", "run_id", "rows"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line.pop("ts"))
    assert line == {"level": "info", "process": "writer", "event": "segment_sealed", "run_id": "run-1", "rows": 3}


def test_text_lines_are_readable(pipe: tuple[int, int]) -> None:
    logs.setup("writer", "run-1", "text", "info", pipe[1]).bind(feed="binance").warning("frame_refused", bytes=9)
    assert logs.flush(DEADLINE_SECS)
    line = os.read(pipe[0], 65_536).decode()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d WARN  writer  frame_refused  feed=binance bytes=9\n", line)


def test_lines_below_the_level_are_not_written(pipe: tuple[int, int]) -> None:
    log = logs.setup("writer", "run-1", "json", "warning", pipe[1])
    log.info("segment_opened")
    log.error("segment_damaged")
    assert logs.flush(DEADLINE_SECS)
    assert [json.loads(line)["event"] for line in os.read(pipe[0], 65_536).splitlines()] == ["segment_damaged"]


def test_a_field_never_takes_the_place_of_the_lines_own(pipe: tuple[int, int]) -> None:
    logs.setup("supervisor", "run-1", "json", "info", pipe[1]).info("child_started", process="writer", ts=1)
    assert logs.flush(DEADLINE_SECS)
    line = json.loads(os.read(pipe[0], 65_536))
    assert (line["process"], line["process_"], line["ts_"]) == ("supervisor", "writer", 1)


@pytest.mark.parametrize("exc_info", [ValueError("too deep"), (ValueError, ValueError("too deep"), None)])
def test_an_exception_handed_over_is_one_field(pipe: tuple[int, int], exc_info: Any) -> None:
    logs.setup("writer", "run-1", "json", "info", pipe[1]).error("commit_failed", exc_info=exc_info)
    assert logs.flush(DEADLINE_SECS)
    exception = json.loads(os.read(pipe[0], 65_536))["exception"]
    assert exception == {"type": "ValueError", "message": "too deep", "trace": ""}


def test_the_exception_being_handled_is_one_field(pipe: tuple[int, int]) -> None:
    log = logs.setup("writer", "run-1", "json", "info", pipe[1])
    try:
        int("x")
    except ValueError:
        log.exception("commit_failed")
    assert logs.flush(DEADLINE_SECS)
    line = json.loads(os.read(pipe[0], 65_536))
    assert (line["level"], line["exception"]["type"]) == ("error", "ValueError")
    assert line["exception"]["trace"].startswith("test_logger.py:")


def test_an_unread_pipe_blocks_nobody_and_dropped_lines_are_counted(pipe: tuple[int, int], unlimited: None) -> None:
    log = logs.setup("ingest:binance", "run-1", "json", "info", pipe[1])
    for number in range(5_000):
        log.info("frame_seen", number=number, filler="x" * 200)
    assert not logs.flush(0.05)
    expected = 0
    for line in read_lines(pipe[0], lambda lines: count(lines) >= 5_000):
        if line["event"] == "log_lines_dropped":
            assert line["level"] == "warning"
            expected += line["lines"]
        else:
            assert line["number"] == expected
            expected += 1
    assert expected == 5_000
    assert logs.flush(DEADLINE_SECS)


def test_a_closed_pipe_costs_its_lines_and_nothing_else(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(fifo, os.O_WRONLY)
    log = logs.setup("writer", "run-1", "json", "info", writer)
    os.close(reader)
    for _ in range(3):
        log.info("segment_opened")
    assert logs.flush(DEADLINE_SECS)
    used = time.process_time()
    assert not threading.Event().wait(0.2)
    assert time.process_time() - used < 0.1, "the log thread spins"
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    log.info("segment_sealed")
    lines = read_lines(reader, lambda lines: count(lines) == 4)
    assert sorted(line["event"] for line in lines) == ["log_lines_dropped", "segment_sealed"]
    os.close(reader)
    os.close(writer)


def test_a_non_blocking_descriptor_loses_nothing_that_fits(pipe: tuple[int, int], unlimited: None) -> None:
    fcntl.fcntl(pipe[1], fcntl.F_SETFL, os.O_NONBLOCK)
    log = logs.setup("writer", "run-1", "json", "info", pipe[1])
    for number in range(900):
        log.info("frame_seen", number=number, filler="x" * 500)
    lines = read_lines(pipe[0], lambda lines: len(lines) >= 900)
    assert [line["number"] for line in lines] == list(range(900))


def test_a_process_that_nobody_reads_still_ends_in_time() -> None:
    child = run_python(
        """
        from collector import logs
        from collector.logs import event_limit
        event_limit.LINES = 1 << 30
        log = logs.setup("writer", "run-1", "json", "info")
        for number in range(5000):
            log.info("frame_seen", number=number)
        assert not logs.flush(0.2)
        """,
        stdout=subprocess.PIPE,
    )
    with child:
        assert child.wait(DEADLINE_SECS) == 0


def test_a_process_started_with_a_closed_stdout_logs_into_no_other_file(tmp_path: Path) -> None:
    code = f"""
        import os
        if os.environ.get("CLOSED") is None:
            os.close(1)
            os.execve({sys.executable!r}, [{sys.executable!r}, *__import__("sys").orig_argv[1:]], {{**os.environ, "CLOSED": "1"}})
        data = open({str(tmp_path / "data")!r}, "wb")
        assert data.fileno() == 1, data.fileno()
        from collector import logs
        logs.setup("writer", "run-1", "json", "info").info("segment_opened")
        assert logs.flush(5)
    """
    with run_python(code, stdout=subprocess.PIPE) as child:
        assert child.stderr is not None
        errors = child.stderr.read()
        assert child.wait(DEADLINE_SECS) == 0, errors
    assert (tmp_path / "data").read_bytes() == b""


def test_what_libraries_warn_about_is_a_line_like_any_other() -> None:
    code = """
        import logging, warnings
        from collector import logs
        logs.setup("archiver", "run-1", "json", "info")
        logging.getLogger("urllib3").warning("retrying %s", "https://u:planted@host/?key=planted")
        logging.getLogger("urllib3").info("not this")
        logging.getLogger("urllib3").warning("%d", "no number")
        warnings.warn("old call")
        assert logs.flush(5)
    """
    with run_python(code, stdout=subprocess.PIPE) as child:
        written, errors = child.communicate(timeout=DEADLINE_SECS)
    assert errors == b""
    assert b"planted" not in written
    lines = [json.loads(line) for line in written.splitlines()]
    assert [(line["event"], line["library"]) for line in lines] == [
        ("library_warning", "urllib3"),
        ("library_warning", "urllib3"),
        ("library_warning", "py.warnings"),
    ]
    assert lines[0]["text"] == "retrying https://host/?key=***"


def test_lines_of_several_processes_on_one_pipe_are_never_torn(pipe: tuple[int, int]) -> None:
    code = """
        from collector import logs
        from collector.logs import event_limit
        event_limit.LINES = 1 << 30
        log = logs.setup("writer", "run-1", "json", "info")
        for number in range(400):
            log.info("frame_seen", **{f"field_{i}": "x" * 1000 for i in range(4)})
        assert logs.flush(60)
    """
    children = [run_python(code, stdout=pipe[1]) for _ in range(2)]
    lines = read_lines(pipe[0], lambda lines: len(lines) >= 800)
    assert {line["event"] for line in lines} == {"frame_seen"}
    for child in children:
        with child:
            assert child.wait(DEADLINE_SECS) == 0


def test_a_repeated_line_is_logged_once_a_minute_with_a_count(pipe: tuple[int, int]) -> None:
    now = 100.0
    limited = logs.RateLimited(logs.setup("writer", "run-1", "json", "info", pipe[1]), lambda: now)
    for _ in range(1_000):
        limited.warning("frame_undecodable", "binance", sample="{")
    limited.warning("frame_undecodable", "kraken", sample="[")
    now += logs.RATE_LIMIT_SECS
    limited.warning("frame_undecodable", "binance", sample="}")
    assert logs.flush(DEADLINE_SECS)
    lines = [json.loads(line) for line in os.read(pipe[0], 65_536).splitlines()]
    assert [(line["key"], line["held_back"], line["sample"]) for line in lines] == [
        ("binance", 0, "{"),
        ("kraken", 0, "["),
        ("binance", 999, "}"),
    ]


def test_the_rate_limit_remembers_a_bounded_number_of_keys(pipe: tuple[int, int]) -> None:
    limited = logs.RateLimited(logs.setup("writer", "run-1", "json", "critical", pipe[1]), lambda: 1.0)
    for number in range(3 * logs.RATE_LIMIT_KEYS):
        limited.warning("frame_undecodable", str(number))
    assert len(limited._seen) == logs.RATE_LIMIT_KEYS


def test_an_event_that_comes_too_often_is_held_back_and_counted(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_limit, "WINDOW_SECS", 0.2)
    log = logs.setup("writer", "run-1", "json", "info", pipe[1])
    for number in range(event_limit.LINES + 50):
        log.info("frame_seen", number=number)
    log.info("segment_sealed")
    assert not threading.Event().wait(0.3)
    log.info("frame_seen", number=-1)
    lines = read_lines(pipe[0], lambda lines: bool(lines) and lines[-1].get("number") == -1)
    assert [line["event"] for line in lines[-2:]] == ["segment_sealed", "frame_seen"]
    assert len(lines) + sum(line.get("held_back", 0) for line in lines) == event_limit.LINES + 52


def test_the_level_can_be_changed_while_the_process_runs(pipe: tuple[int, int], tmp_path: Path) -> None:
    log = logs.setup("writer", "run-1", "json", "info", pipe[1])
    operator, child = logs.LevelFile(tmp_path, "info"), logs.LevelFile(tmp_path, "info")
    log.debug("frame_seen", number=0)
    operator.ask("debug")
    child.follow()
    log.debug("frame_seen", number=1)
    operator.ask("info")
    child.follow()
    log.debug("frame_seen", number=2)
    log.info("frame_seen", number=3)
    assert [line["number"] for line in read_lines(pipe[0], lambda lines: len(lines) == 2)] == [1, 3]
    assert list(tmp_path.iterdir()) == []


def test_the_form_of_the_lines_can_be_changed_while_the_process_runs(pipe: tuple[int, int], tmp_path: Path) -> None:
    log = logs.setup("writer", "run-1", "text", "info", pipe[1])
    operator, child = logs.FormatFile(tmp_path, "text"), logs.FormatFile(tmp_path, "text")
    operator.ask("json")
    child.follow()
    log.info("frame_seen", number=1)
    assert [line["number"] for line in read_lines(pipe[0], lambda lines: len(lines) == 1)] == [1]
    operator.ask("text")
    log.info("frame_seen", number=2)
    assert select.select([pipe[0]], [], [], 60)[0]
    assert b" INFO  writer  frame_seen  number=2\n" in os.read(pipe[0], 4_000)
    operator.ask("json")
    operator.keep_from_now_on()
    operator.ask("text")
    assert (tmp_path / "log_format").read_text("utf-8") == "text"


@pytest.mark.parametrize("content", [b"", b"loud", b"\xff"])
def test_a_level_that_is_none_leaves_the_configured_one(pipe: tuple[int, int], tmp_path: Path, content: bytes) -> None:
    (tmp_path / "log_level").write_bytes(content)
    log = logs.setup("writer", "run-1", "json", "warning", pipe[1])
    logs.LevelFile(tmp_path, "warning").follow()
    log.info("frame_seen", number=0)
    log.warning("frame_seen", number=1)
    assert [line["number"] for line in read_lines(pipe[0], lambda lines: len(lines) == 1)] == [1]


def test_the_newest_events_are_remembered_numbered_and_without_secrets(pipe: tuple[int, int]) -> None:
    before = len(logs.recent())
    log = logs.setup("writer", "run-1", "json", "debug", pipe[1])
    log.debug("frame_seen")
    log.info("segment_sealed", rows=3, name="two words")
    log.warning("store_failed", error="PUT https://u:planted@host/?key=planted")
    assert [(event.number, event.level, event.event, event.text) for event in logs.recent()[before:]] == [
        (1, "info", "segment_sealed", 'rows=3 name="two words"'),
        (2, "warning", "store_failed", 'error="PUT https://host/?key=***"'),
    ]


def test_dropped_lines_are_counted(pipe: tuple[int, int], unlimited: None) -> None:
    before = logs.dropped()
    log = logs.setup("writer", "run-1", "json", "info", pipe[1])
    for number in range(3 * logs.BUFFERED_LINES):
        log.info("frame_seen", number=number, filler="x" * 500)
    written = 65_536 // 500
    assert logs.BUFFERED_LINES <= logs.dropped() - before <= 2 * logs.BUFFERED_LINES + written
    read_lines(pipe[0], lambda lines: count(lines) >= 3 * logs.BUFFERED_LINES)


def logging_calls(source: str) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LOGGING_METHODS:
            receiver = node.func.value
            name = receiver.attr if isinstance(receiver, ast.Attribute) else getattr(receiver, "id", "")
            if name in LOGGERS:
                yield node


def test_every_logged_event_is_a_constant_snake_case_name() -> None:
    events: dict[str, set[str]] = defaultdict(set)
    for path in [*sorted((ROOT / "collector").rglob("*.py")), *ROOT.glob("supervisor.py")]:
        for call in logging_calls(path.read_text("utf-8")):
            if path.name == "limited.py" and not isinstance(call.args[0], ast.Constant):
                continue  # the rate limit hands on the name it was given
            where = f"{path.relative_to(ROOT)}:{call.lineno}"
            event = call.args[0] if call.args else None
            assert isinstance(event, ast.Constant), f"{where}: the event's name is no constant"
            assert isinstance(event.value, str), where
            assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", event.value), f"{where}: {event.value!r}"
            events[event.value].add(str(path.relative_to(ROOT)))
    table = [f"{name:30} {', '.join(sorted(events[name]))}\n" for name in sorted(events)]
    sys.stdout.write("".join(["\n", *table]))
    assert "library_warning" in events


def test_no_line_may_be_longer_than_a_pipe_takes_whole() -> None:
    assert MAX_LINE_BYTES <= select.PIPE_BUF
