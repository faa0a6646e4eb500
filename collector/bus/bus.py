"""What publishers, relays and the cluster need of NATS, without NATS: tests run them on another `Bus`."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import NamedTuple, Protocol

from collector.domain.errors import RetryError


class BusError(RetryError):
    """The servers did not answer in time, refused, or the connection was lost. Whether something was stored is unknown."""


class MissingError(BusError):
    """The servers answer, but have no such stream or bucket: it is to be made (again)."""


class FullError(BusError):
    """The stream is full: it takes nothing until storage has taken what is there."""


class ChangedError(BusError):
    """Somebody else has set the key meanwhile."""


class Stored(NamedTuple):
    """A message of a stream."""

    sequence: int
    """Its number in the stream; a stream that was made again counts from 1 again."""
    data: bytes
    at_ns: int
    """When the servers stored it, by their clock."""


class StreamState(NamedTuple):
    """What a stream holds."""

    messages: int
    bytes: int
    first: int
    last: int
    """Sequences of its first and its newest message; of an empty one `first` is above `last`."""


class Entry(NamedTuple):
    """The value of a key."""

    key: str
    value: bytes
    revision: int
    """Rises with every `put` into the bucket."""


class Bus(Protocol):
    """One connection to the servers, for one thread's event loop.

    It connects by itself, again and again. Every call may raise BusError; then it is for the caller to try again, later.
    """

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection now."""
        ...

    @property
    def last_error(self) -> str | None:
        """What last went wrong, for people; None once there is a connection."""
        ...

    @property
    def connection(self) -> int:
        """Counts the connections; another number means that whatever was under way has failed."""
        ...

    @property
    def most_bytes(self) -> int:
        """The longest message that the servers take."""
        ...

    def check(self) -> None:
        """Raise what makes further attempts to connect useless: a ConfigError."""
        ...

    async def make_stream(self, edge: str, feed: str) -> str:
        """Make the stream of an edge's feed, or give the present one the settings that it should have.

        Returns why the present one keeps other settings; empty if it has these.
        """
        ...

    async def make_bucket(self, bucket: str) -> None:
        """The same for a bucket of keys."""
        ...

    async def publish(self, edge: str, feed: str, message: bytes) -> "asyncio.Future[int]":
        """Send a message; the future gives its sequence once the servers have stored it, or raises BusError."""
        ...

    async def streams(self) -> list[tuple[str, str]]:
        """Edge and feed of every stream of slices."""
        ...

    def read(self, edge: str, feed: str, first: int = 1) -> AsyncIterator[list[Stored]]:
        """The messages of a stream from sequence `first` on, several at a time; an empty list while there are none."""
        ...

    async def purge(self, edge: str, feed: str, up_to: int) -> None:
        """Remove the messages up to that sequence, but never the newest one of the stream."""
        ...

    async def state(self, edge: str, feed: str) -> StreamState:
        """What a stream holds."""
        ...

    async def get(self, bucket: str, key: str) -> Entry | None:
        """The value of a key, as the leader of the servers knows it; None if it has none."""
        ...

    async def get_all(self, bucket: str) -> Mapping[str, Entry]:
        """Every key of a bucket."""
        ...

    async def put(self, bucket: str, key: str, value: bytes, after: int | None = None) -> int:
        """Set a key; returns the revision.

        With `after` only if that is the revision of the key's value, or 0 and it has none; else raises ChangedError.
        """
        ...

    async def delete(self, bucket: str, key: str) -> None:
        """Remove a key."""
        ...

    def watch(self, bucket: str) -> AsyncIterator[list[Entry]]:
        """First every key of a bucket, then what is put there, several at a time; an empty list while there is nothing.

        What is removed is not told.
        """
        ...
