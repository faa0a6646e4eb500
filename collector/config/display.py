"""Configured values for display: short, on one line, without secrets."""

import json
import re
from typing import Any, Final

from collector.domain.redact import HIDDEN, printable

_LONGEST: Final = 120
_SCHEME: Final = re.compile(r"[A-Za-z0-9+.-]*:/+")


def display(value: Any) -> str:
    """Write a value much like TOML does."""
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list | tuple):
        text = f"[{', '.join(display(item) for item in value)}]"
    elif isinstance(value, str):
        text = json.dumps(_without_secrets(value), ensure_ascii=False)
    elif isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, int) and value.bit_length() > _LONGEST:
        # Python refuses to print numbers of more than 4,300 digits.
        text = f"a number of {value.bit_length()} bits"
    else:
        text = str(value)
    return shown_name(text)


def shown_name(name: str) -> str:
    """Write a key or variable name: printable, shortened, without quotes."""
    name = printable(name)
    return name if len(name) <= _LONGEST else f"{name[:_LONGEST]}…"


def _without_secrets(text: str) -> str:
    """Keep only the scheme of a text that may be a URL with a user, password, query or fragment.

    Stricter than `redact_url`, which needs a well-formed URL: a URL in an error message may be malformed exactly where its
    secret is.
    """
    if {"@", "?", "#"}.isdisjoint(text):
        return text
    scheme = _SCHEME.match(text)
    return f"{scheme[0] if scheme else ''}{HIDDEN}"
