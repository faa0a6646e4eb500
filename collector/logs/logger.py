"""The logger of a process: an event becomes a line, unless its level or its frequency forbids."""

import os
import sys
import time
from collections import deque
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any, Final

from collector.domain.log import Log
from collector.logs import line
from collector.logs.event_limit import EventLimit
from collector.logs.libraries import take_over_libraries
from collector.logs.log_file import LogFile, LogFileWriter
from collector.logs.sink import LineSink, descriptor_writer
from collector.reports import RecentEvent
from collector.scrub import scrub

FORMATS: Final[Mapping[str, line.Form]] = {"json": line.as_json, "text": line.as_text}
LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
RECENT_EVENTS: Final = 20


_composers: Final[list["_Composer"]] = []
_sinks: Final[list[LineSink]] = []


def setup(
    process: str,
    run_id: str,
    format: str,  # noqa: A002 (the setting's own name)
    level: str,
    fd: int = 1,
    file: LogFile | None = None,
) -> Log:
    """Return the logger of this process; the warnings of libraries go through it too.

    `format` is json or text; `level` is debug, info, warning or error. Lines go to `file`, or without one to the
    descriptor `fd`. Logging never blocks and never raises. The line's own fields are ts, level, process, event and
    run_id: a field of the same name gets a `_` behind it.
    """
    compose = _Composer(process, run_id, FORMATS[format], LEVELS[level])
    write = LogFileWriter(file).write if file is not None else descriptor_writer(_private(fd))
    sink = LineSink(write, lambda count: compose.line("warning", {"event": "log_lines_dropped", "lines": count}))
    _composers.append(compose)
    _sinks.append(sink)

    def take(level: str, fields: dict[str, Any]) -> None:
        if compose.admits(level, fields):
            sink.offer(compose.line(level, fields))

    log = Log(take)
    take_over_libraries(log)
    return log


def set_level(level: str) -> None:
    """Change what this process logs from now on."""
    for composer in _composers:
        composer.level = LEVELS[level]


def set_format(format: str) -> None:  # noqa: A002 (the setting's own name)
    """Change the form of what this process logs from now on."""
    for composer in _composers:
        composer.form = FORMATS[format]


def recent() -> list[RecentEvent]:
    """The newest events of this process, oldest first."""
    return [event for composer in _composers for event in list(composer.recent)]


def dropped() -> int:
    """Lines of this process that were dropped: nobody read them in time, or the log file refused them."""
    return sum(sink.dropped for sink in _sinks)


def flush(deadline_secs: float) -> bool:
    """Wait until every line is written, at most `deadline_secs`; false when some are not. Called last in a process."""
    ends_at = time.monotonic() + deadline_secs
    written = [sink.flush(ends_at - time.monotonic()) for sink in _sinks]
    return all(written)


def _private(fd: int) -> int:
    """Duplicate `fd`, so that no other code of this process closes it.

    In a process started with its standard output closed, descriptor 1 is whatever file was opened first: such a process
    logs to /dev/null.
    """
    if fd == 1 and sys.__stdout__ is None:
        return os.open(os.devnull, os.O_WRONLY)
    return os.dup(fd)


class _Composer:
    """Decides which events become lines, and makes the lines."""

    def __init__(self, process: str, run_id: str, form: line.Form, level: int) -> None:
        self._process = process
        self._run_id = run_id
        self.form = form
        self._limit = EventLimit()
        self._count = 0
        self.level = level
        self.recent: deque[RecentEvent] = deque(maxlen=RECENT_EVENTS)

    def admits(self, level: str, fields: MutableMapping[str, Any]) -> bool:
        """Whether the event is to be logged; adds to `held_back` how many of its kind were not since its last line."""
        if LEVELS[level] < self.level:
            return False
        held_back = self._limit.admit(str(fields["event"]), time.monotonic())
        if held_back:
            fields["held_back"] = fields.get("held_back", 0) + held_back
        return held_back is not None

    def line(self, level: str, fields: MutableMapping[str, Any]) -> bytes:
        """Compose the line, and keep the event among the recent ones."""
        event = {
            "ts": datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "level": level,
            "process": self._process,
            "event": fields.pop("event"),
            "run_id": self._run_id,
        }
        exception = _exception(fields.pop("exc_info", None))
        further = {(name + "_" if name in event else name): value for name, value in fields.items()}
        if exception is not None:
            further["exception"] = exception
        if LEVELS.get(level, 0) >= LEVELS["info"]:
            self._count += 1
            text = line.summary(further, scrub)
            self.recent.append(RecentEvent(self._count, event["ts"], level, str(event["event"]), text))
        return line.line({**event, **further}, self.form, scrub)


def _exception(exc_info: Any) -> BaseException | None:
    """The exception that `exc_info` stands for: itself, in a tuple, or true for the one being handled."""
    if isinstance(exc_info, tuple):
        return exc_info[1] if isinstance(exc_info[1], BaseException) else None
    if isinstance(exc_info, BaseException):
        return exc_info
    return sys.exception() if exc_info else None
