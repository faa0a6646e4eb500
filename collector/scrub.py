"""The secrets that this process knows, and every text that leaves it without them.

A library's text may quote a whole request. Log lines, reports, errors of the store and standard error go through here.
"""

import os
import sys
from collections.abc import Iterable, Mapping
from threading import RLock
from typing import Any, Final, TextIO

from msgspec import Struct
from msgspec.structs import replace

from collector.domain.redact import HIDDEN, redact_headers
from collector.domain.secrets import forms_of, hidden, secrets_in

_forms: Final[set[str]] = set()
_learning: Final = RLock()  # what is garbage may complain on standard error at any moment


def know(secrets: Iterable[str]) -> None:
    """Hide these from now on. For any thread."""
    with _learning:
        _forms.update(form for secret in secrets for form in forms_of(secret))


def begin(*secrets: str) -> None:
    """What a process does first: hide what the environment holds, and these, in what it logs and says on standard error."""
    know([*secrets_in(os.environ), *secrets])
    if not isinstance(sys.stderr, _Scrubbed) and sys.stderr is not None:
        sys.stderr = _Scrubbed(sys.stderr)


def scrub(text: str) -> str:
    """The text without any secret that is known, and without headers that hold one."""
    with _learning:
        there = [form for form in _forms if form in text]
    return redact_headers(hidden(text, there, HIDDEN))


def scrubbed(value: Any) -> Any:
    """A report with its texts scrubbed: those in structs, mappings and lists; tuples are rows of numbers and names.

    A word without a blank is a name, by which somebody goes: it stays, should a password be the same.
    """
    if isinstance(value, str):
        return scrub(value) if " " in value else value
    if isinstance(value, Mapping):
        return {name: scrubbed(held) for name, held in value.items()}
    if isinstance(value, Struct):
        return replace(value, **{name: scrubbed(getattr(value, name)) for name in value.__struct_fields__})
    return [scrubbed(held) for held in value] if type(value) is list else value


class _Scrubbed:
    """A text stream that secrets do not pass. A library's trace is written line by line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(scrub(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
