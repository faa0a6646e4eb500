"""Configuration errors as lines for people: the key, its value and source, what is allowed. Never a secret."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from pydantic import ValidationError

from collector.config.display import display, shown_name
from collector.config.keys import KEYS, SECRETS, SECTIONS, Place, allowed, did_you_mean, dotted, key_of
from collector.config.sources import Given
from collector.domain.redact import HIDDEN, printable


class Problem(NamedTuple):
    """An invalid value."""

    place: Place
    value: Any
    reason: str = ""
    allowed: str = ""
    """What is allowed; empty means what the key's own description says."""


def line(problem: Problem, given: Given) -> str:
    """Write an error as one line."""
    must_be = f"must be {problem.allowed or allowed(problem.place)}"
    said = f"{problem.reason}; {must_be}" if problem.reason else must_be
    return f"{dotted(problem.place)} = {_value_and_source(problem, given)}: {said}"


def validation_lines(error: ValidationError, given: Given) -> Iterator[str]:
    """Write every error that the model found, one line each."""
    for fault in error.errors(include_url=False):
        place: Place = fault["loc"]
        if fault["type"] == "extra_forbidden":
            # The value of an unknown key is not shown: it may be a password.
            name = f"{shown_name(dotted(place))}{_source(place, given)}"
            yield f"{name}: unknown key{did_you_mean(key_of(place), [*KEYS, *SECTIONS])}"
        else:
            reason = str(fault["ctx"]["error"]) if fault["type"] == "value_error" else ""
            yield line(Problem(place, fault["input"], reason), given)


def _value_and_source(problem: Problem, given: Given) -> str:
    origin = given.origins.get(problem.place)
    value = problem.value if origin is None or origin.text is None else origin.text
    return f"{_said(problem.place, value)}{_source(problem.place, given)}"


def _source(place: Place, given: Given) -> str:
    """Where a value comes from, in parentheses: a variable, the file, or the default."""
    origins = (given.origins.get(place[:end]) for end in range(len(place), -1, -1))
    variable = next((found.variable for found in origins if found), None)
    if variable:
        return f" (from {variable})"
    if not _is_given(place, given.tree):
        return " (the default)"
    return f" (from {printable(str(given.file))})" if given.file else ""


def _said(place: Place, value: Any) -> str:
    return HIDDEN if key_of(place) in SECRETS else display(value)


def _is_given(place: Place, tree: Any) -> bool:
    for part in place:
        try:
            tree = tree[part]
        except (KeyError, IndexError, TypeError):
            return False
    return True
