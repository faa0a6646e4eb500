"""A log event as one line of bytes: JSON for programs or readable text, bounded, redacted and free of control characters."""

import json
import math
import re
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from collector.domain.redact import printable, redact_urls

MAX_LINE_BYTES: Final = 4_000
"""Bytes of a line with its line break: below the 4,096 bytes that POSIX writes to a pipe in one piece."""

_VALUE_LIMITS: Final = (1_000, 300, 100, 30)
"""Characters of each value: the first limit with which the line fits is taken."""
_SUMMARY: Final = 300
"""Characters of a summary."""
_MAX_ITEMS: Final = 30
_MAX_DEPTH: Final = 4
_TRACE_FRAMES: Final = 5
_MAX_INT_BITS: Final = 64
_BARE: Final = re.compile(r"""[^\s"'=\\]+""")
_LEVELS: Final = {"warning": "WARN"}
_SEARCHED: Final = 10_000
"""Characters of a value that are searched for URLs; the characters after them are not shown."""

Form = Callable[[Mapping[str, Any]], str]
"""Makes one line, without its line break, from plain values."""

Scrub = Callable[[str], str]
"""Removes secrets from a text."""


def line(event: Mapping[str, Any], form: Form, scrub: Scrub = str) -> bytes:
    """Format `event`, scrubbed; each value is cut until the line is within MAX_LINE_BYTES.

    A line that is too long even then keeps its first five fields and says in `fields_cut` how many it lost.
    """
    for limit in _VALUE_LIMITS:
        text = form({name: _plain(value, limit, scrub) for name, value in event.items()})
        if len(text.encode()) < MAX_LINE_BYTES:
            return text.encode() + b"\n"
    kept = {name: _plain(event[name], _VALUE_LIMITS[-1], scrub) for name in list(event)[:5]}
    return form({**kept, "fields_cut": len(event) - len(kept)}).encode() + b"\n"


def as_json(event: Mapping[str, Any]) -> str:
    """One JSON object in ASCII, so that no control character in an exchange's text reaches a terminal."""
    return json.dumps(event, ensure_ascii=True, separators=(",", ":"))


def as_text(event: Mapping[str, Any]) -> str:
    """`2026-11-23 14:03:07 INFO  writer  segment_sealed  rows=123`, in UTC."""
    fields = dict(event)
    ts, level, process, name = (str(fields.pop(key)) for key in ("ts", "level", "process", "event"))
    fields.pop("run_id")
    head = f"{ts[:10]} {ts[11:19]} {_LEVELS.get(level, level.upper()):5} {printable(process)}  {printable(name)}"
    return "  ".join([head, _fields(fields)]).rstrip()


def summary(fields: Mapping[str, Any], scrub: Scrub = str) -> str:
    """`key=value key=value`, redacted and at most _SUMMARY characters: how a list of events shows one."""
    text = _fields({name: _plain(value, _VALUE_LIMITS[2], scrub) for name, value in fields.items()})
    return text if len(text) <= _SUMMARY else f"{text[:_SUMMARY]}…"


def _fields(fields: Mapping[str, Any]) -> str:
    return " ".join(f"{printable(key)}={_text(value)}" for key, value in fields.items())


def _text(value: Any) -> str:
    if isinstance(value, str) and _BARE.fullmatch(value):
        return printable(value)
    if isinstance(value, dict) and value.keys() == {"type", "message", "trace"}:
        value = f"{value['type']}: {value['message']} ({value['trace']})"
    return printable(json.dumps(value, ensure_ascii=False))


def _plain(value: Any, limit: int, scrub: Scrub, depth: int = 0) -> Any:
    """`value` made of types that JSON has, its texts cut to `limit` characters."""
    if value is None or isinstance(value, int | float):
        return _number(value, limit)
    if isinstance(value, BaseException):
        return _exception(value, limit, scrub)
    if depth < _MAX_DEPTH and isinstance(value, Mapping):
        items = list(value.items())[:_MAX_ITEMS]
        return {_cut(_to_str(name), limit, scrub): _plain(item, limit, scrub, depth + 1) for name, item in items}
    if depth < _MAX_DEPTH and isinstance(value, list | tuple | set | frozenset):
        return [_plain(item, limit, scrub, depth + 1) for item in list(value)[:_MAX_ITEMS]]
    return _cut(_to_str(value), limit, scrub)


def _number(value: float | None, limit: int) -> float | str | None:
    if isinstance(value, int) and value.bit_length() > _MAX_INT_BITS:
        return _cut(hex(value), limit, str)
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _to_str(value: Any) -> str:
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "backslashreplace")
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001 (a foreign __str__ may raise anything, and a log line must not)
        return f"<{type(value).__name__} that cannot be shown: {type(error).__name__}>"


def _cut(text: str, limit: int, scrub: Scrub) -> str:
    # Scrubbed before it is cut: half a secret would not be recognised.
    shown = redact_urls(scrub(text)[:_SEARCHED])
    if len(shown) <= limit and len(text) <= _SEARCHED:
        return shown
    return f"{shown[:limit]}[cut from {len(text)} characters]"


def _exception(error: BaseException, limit: int, scrub: Scrub) -> dict[str, str]:
    """Type, message and the innermost frames of the traceback, outermost first."""
    frames = [(frame.f_code, line_number) for frame, line_number in traceback.walk_tb(error.__traceback__)]
    places = [f"{Path(code.co_filename).name}:{number} {code.co_name}" for code, number in frames[-_TRACE_FRAMES:]]
    message = _to_str(error)
    if error.__cause__ is not None:
        message += f" (because of {type(error.__cause__).__name__}: {_to_str(error.__cause__)})"
    return {
        "type": type(error).__name__,
        "message": _cut(message, limit, scrub),
        "trace": _cut(" > ".join(places), limit, scrub),
    }
