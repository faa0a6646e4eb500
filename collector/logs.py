"""Structured logs that never hold up recording: lines wait in a bounded buffer, and one thread writes them.

What finds no room is dropped and counted, and a `log_lines_dropped` line says how many as soon as there is room again.
"""

import logging
import os
import select
import sys
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any, Final

import structlog
from structlog.typing import FilteringBoundLogger

from collector.domain import log_line

BUFFERED_LINES: Final = 1_000
RATE_LIMIT_SECS: Final = 60.0
RATE_LIMIT_KEYS: Final = 1_000
FORMATS: Final[Mapping[str, log_line.Form]] = {"json": log_line.as_json, "text": log_line.as_text}

_BUSY_PAUSE_SECS: Final = 0.01
_BUSY_WAIT_MS: Final = 1_000

_sinks: Final[list["LineSink"]] = []


def setup(process: str, run_id: str, format: str, level: str, fd: int = 1) -> FilteringBoundLogger:  # noqa: A002 (the setting's own name)
    """Return the logger of this process; the warnings of libraries go through it too.

    `format` is json or text; `level` is debug, info, warning or error. Logging never blocks and never raises. The
    line's own fields are ts, level, process, event and run_id: a field of the same name gets a `_` behind it.
    """
    compose = _Composer(process, run_id, FORMATS[format])
    sink = LineSink(_own(fd), lambda count: compose(None, "warning", {"event": "log_lines_dropped", "lines": count}))
    _sinks.append(sink)
    log: FilteringBoundLogger = structlog.wrap_logger(
        sink, processors=[compose], wrapper_class=structlog.make_filtering_bound_logger(level), context_class=dict
    ).bind()
    _take_over_libraries(log)
    return log


def flush(deadline_secs: float) -> bool:
    """Wait until all is written, at most `deadline_secs`; true when nothing is left. The last thing a process does."""
    ends_at = time.monotonic() + deadline_secs
    written = [sink.flush(ends_at - time.monotonic()) for sink in _sinks]
    return all(written)


def _own(fd: int) -> int:
    """Return a number for `fd` that nobody else closes or reuses.

    A process that was started with its stdout closed would log into whatever file it opened first: it logs to nowhere.
    """
    if fd == 1 and sys.__stdout__ is None:
        return os.open(os.devnull, os.O_WRONLY)
    return os.dup(fd)


class _Composer:
    """The one processor: an event becomes a line."""

    def __init__(self, process: str, run_id: str, form: log_line.Form) -> None:
        self._process = process
        self._run_id = run_id
        self._form = form

    def __call__(self, _logger: Any, level: str, fields: MutableMapping[str, Any]) -> bytes:
        event = {
            "ts": datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "level": level,
            "process": self._process,
            "event": fields.pop("event"),
            "run_id": self._run_id,
        }
        exception = _exception(fields.pop("exc_info", None))
        event |= {(name + "_" if name in event else name): value for name, value in fields.items()}
        return log_line.line(event if exception is None else {**event, "exception": exception}, self._form)


def _exception(exc_info: Any) -> BaseException | None:
    """Whatever may stand in `exc_info`, as the exception meant."""
    if isinstance(exc_info, tuple):
        return exc_info[1] if isinstance(exc_info[1], BaseException) else None
    if isinstance(exc_info, BaseException):
        return exc_info
    return sys.exception() if exc_info else None


class LineSink:
    """A bounded buffer of lines and the thread that writes them to a file descriptor.

    `dropped_line(count)` makes the line that stands where `count` lines were dropped. A descriptor that refuses a line
    (closed pipe, full disk) loses that line, and the next one is tried all the same.
    """

    def __init__(self, fd: int, dropped_line: Callable[[int], bytes], capacity: int = BUFFERED_LINES) -> None:
        self._fd = fd
        self._dropped_line = dropped_line
        self._capacity = capacity
        self._changed = threading.Condition()
        self._waiting: deque[bytes | int] = deque()  # an int stands where that many lines were dropped
        self._dropped = 0
        self._refused = False
        self._writing = False
        threading.Thread(target=self._run, name="log", daemon=True).start()

    def offer(self, line: bytes) -> None:
        """Queue `line`, or count it as dropped when the buffer is full."""
        with self._changed:
            if len(self._waiting) >= self._capacity:
                self._dropped += 1
                return
            if self._dropped:
                self._waiting.append(self._take_dropped())
            self._waiting.append(line)
            self._changed.notify_all()

    debug = info = warning = error = critical = offer

    def flush(self, timeout_secs: float) -> bool:
        """Wait until no line is left to write; false when `timeout_secs` were not enough."""
        with self._changed:
            return self._changed.wait_for(lambda: not (self._due() or self._writing), max(0.0, timeout_secs))

    def _due(self) -> bool:
        # After a refusal the count waits for the next line: trying it alone, again and again, would spin.
        return bool(self._waiting or (self._dropped and not self._refused))

    def _take_dropped(self) -> int:
        count, self._dropped = self._dropped, 0
        return count

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(self._due)
                entry = self._waiting.popleft() if self._waiting else self._take_dropped()
                self._writing = True
            written = self._write(self._dropped_line(entry) if isinstance(entry, int) else entry)
            with self._changed:
                self._writing = False
                self._refused = not written
                if not written:
                    self._dropped += entry if isinstance(entry, int) else 1
                self._changed.notify_all()

    def _write(self, line: bytes) -> bool:
        try:
            while line:
                line = line[self._write_some(line) :]
        except OSError:
            return False
        return True

    def _write_some(self, line: bytes) -> int:
        try:
            return os.write(self._fd, line)
        except BlockingIOError:  # somebody who shares the descriptor made it non-blocking
            poll = select.poll()
            poll.register(self._fd, select.POLLOUT)
            poll.poll(_BUSY_WAIT_MS)
            time.sleep(_BUSY_PAUSE_SECS)
            return 0


class RateLimited:
    """A logger for what may happen a thousand times a second: one line a minute for each event and key."""

    def __init__(self, log: FilteringBoundLogger, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._monotonic = monotonic
        self._seen: OrderedDict[tuple[str, str], tuple[float, int]] = OrderedDict()

    def warning(self, event: str, key: str, **fields: Any) -> None:
        """Log now, with the number of lines `held_back` since the last one; or hold this one back and count it."""
        now = self._monotonic()
        logged_at, held_back = self._seen.pop((event, key), (-RATE_LIMIT_SECS, 0))
        if now - logged_at < RATE_LIMIT_SECS:
            self._seen[event, key] = (logged_at, held_back + 1)
            return
        self._seen[event, key] = (now, 0)
        if len(self._seen) > RATE_LIMIT_KEYS:
            self._seen.popitem(last=False)
        self._log.warning(event, key=key, held_back=held_back, **fields)


class _LibraryHandler(logging.Handler):
    """What a library tells the standard `logging` module; without a handler Python would print it to stderr, blocking."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = record.getMessage()
        except (TypeError, ValueError):  # the library's arguments do not fit its own format
            text = str(record.msg)
        self._log.warning("library_warning", library=record.name, text=text, exc_info=record.exc_info)


def _take_over_libraries(log: FilteringBoundLogger) -> None:
    root = logging.getLogger()
    root.handlers = [handler for handler in root.handlers if not isinstance(handler, _LibraryHandler)]
    root.addHandler(_LibraryHandler(log))
    logging.captureWarnings(capture=True)
