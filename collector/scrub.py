"""Removes the secrets that this process knows from every text that leaves it.

A library's error may quote a whole request. Log lines, reports, errors of the store and standard error pass through here.
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
_learning: Final = RLock()  # reentrant: a finalizer may write to standard error at any moment


def know(secrets: Iterable[str]) -> None:
    """Hide these secrets from now on. For any thread."""
    with _learning:
        _forms.update(form for secret in secrets for form in forms_of(secret))


def begin(*secrets: str) -> None:
    """Hide these secrets and those of the environment, also on standard error. A process calls this before anything else."""
    know([*secrets_in(os.environ), *secrets])
    if not isinstance(sys.stderr, _Scrubbed) and sys.stderr is not None:
        sys.stderr = _Scrubbed(sys.stderr)


def scrub(text: str) -> str:
    """The text without known secrets and without headers that carry credentials."""
    with _learning:
        there = [form for form in _forms if form in text]
    return redact_headers(hidden(text, there, HIDDEN))


def scrubbed(value: Any) -> Any:
    """A report without secrets in the texts of its structs, mappings and lists; tuples are rows of numbers and names.

    A text without a blank is a name, such as a feed's: it is kept even if it equals a password.
    """
    if isinstance(value, str):
        return scrub(value) if " " in value else value
    if isinstance(value, Mapping):
        return {name: scrubbed(held) for name, held in value.items()}
    if isinstance(value, Struct):
        return replace(value, **{name: scrubbed(getattr(value, name)) for name in value.__struct_fields__})
    if type(value) is list:
        return [held if isinstance(held, tuple) else scrubbed(held) for held in value]
    return value


class _Scrubbed:
    """A text stream that hides secrets. Tracebacks are written to it line by line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(scrub(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
