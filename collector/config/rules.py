"""What a value must be beyond its Python type, as `Annotated` metadata. `validation.py` enforces it.

Types carry these instead of pydantic's own, because every process imports the types and only who reads a configuration
checks one: pydantic takes 12 MB.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol


class Earlier(Protocol):
    """What a check that looks at other keys of its table is handed."""

    @property
    def data(self) -> Mapping[str, Any]:
        """The valid ones of the keys that are declared before."""
        ...


class Allowed(NamedTuple):
    """The bounds of a number, and what they are in words."""

    says: str
    """Completes "must be …" in error lines."""
    gt: float | None = None
    ge: float | None = None
    le: float | None = None


class Before(NamedTuple):
    """Reads a value before its type is looked at; raises ValueError with a reason that does not quote the value."""

    read: Callable[[object], object]


class After(NamedTuple):
    """Returns the normalized value, given it and perhaps an Earlier; raises ValueError like Before."""

    check: Callable[..., Any]
