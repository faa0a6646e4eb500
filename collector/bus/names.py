"""What subjects, streams and keys are called in NATS. Pure.

Names of hosts and feeds have letters, digits, `.`, `_` and `-`; a dot would divide a subject or key in NATS, so it is
written `=2E`; in the name of a stream, where `=` divides, `+`.
"""

from typing import Final

PLACES: Final = "collector_places"
"""Bucket: how far storage has each edge's journals, by `place_key`."""
MEMBERS: Final = "collector_members"
"""Bucket: the signs of life of edges, by `token`."""
HOSTS: Final = "collector_hosts"
"""Bucket: a short status of every host, by `token`."""
SYMBOLS: Final = "collector_symbols"
"""Bucket: the symbols that edges chose from the exchange's list, by `place_key`."""
BOOKS: Final = "collector_books"
"""Bucket: books that edges are to subscribe again, by the feed's `token`."""
ALL_SLICES: Final = "j.>"
"""Every subject of slices."""


def token(name: str) -> str:
    """A host's or feed's name as one part of a subject or key."""
    return name.replace(".", "=2E")


def name_of(part: str) -> str:
    """The inverse of `token`."""
    return part.replace("=2E", ".")


def subject(edge: str, feed: str) -> str:
    """Where the slices of an edge's feed are published."""
    return f"j.{token(edge)}.{token(feed)}"


def stream(edge: str, feed: str) -> str:
    """The stream that keeps them."""
    return f"J={edge}={feed}".replace(".", "+")


def of_stream(text: str) -> tuple[str, str] | None:
    """Edge and feed of a stream of slices; None for any other stream."""
    parts = text.replace("+", ".").split("=")
    return (parts[1], parts[2]) if parts[0] == "J" and len(parts) == 3 else None  # noqa: PLR2004 -- with edge and feed


def of_subject(text: str) -> tuple[str, str]:
    """Edge and feed of a subject of slices."""
    _, edge, feed = text.split(".")
    return name_of(edge), name_of(feed)


def place_key(edge: str, feed: str) -> str:
    """The key of what concerns a feed on an edge, as how far storage has its journal."""
    return f"{token(edge)}.{token(feed)}"


def taker_key(feed: str) -> str:
    """The key of who takes the slices of a feed, in the bucket of the places."""
    return token(feed)


def of_place_key(key: str) -> tuple[str, str] | None:
    """Edge and feed of such a key; None of any other key."""
    parts = key.split(".")
    return (name_of(parts[0]), name_of(parts[1])) if len(parts) == 2 else None  # noqa: PLR2004 -- edge and feed
