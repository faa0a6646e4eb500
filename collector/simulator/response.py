"""What the simulator answers to an HTTP request."""

from typing import NamedTuple


class Response(NamedTuple):
    """Status, body, and headers beyond the usual."""

    status: int
    body: str
    headers: tuple[tuple[str, str], ...] = ()
