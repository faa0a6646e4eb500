"""The client of the NATS servers: a `Bus` that connects by itself, again and again, and never gives up."""

import asyncio
import base64
import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any, Final, Self

from collector.backoff import delays
from collector.bus import names, settings
from collector.bus.answers import OTHER_SETTINGS, ApiError, NoMessageError, stored_ns
from collector.bus.bus import BusError, Entry, FullError, MissingError, Stored, StreamState
from collector.bus.link import Link, Message, Options, open_link
from collector.bus.pull import Pull

BASE_SECS: Final = 0.2
CAP_SECS: Final = 5.0
DEFAULT_MOST_BYTES: Final = 1 << 20
"""The longest message that servers take unless they are told otherwise."""

_REMOVED: Final = "KV-Operation"
"""The header of what stands where a key was removed."""

_AFTER: Final = "Nats-Expected-Last-Subject-Sequence"
"""The header of what is stored only if the newest message of its subject has that sequence, or, with 0, if there is none."""

Tell = Callable[[bool, str], None]
"""Takes whether there is a connection now, and to which server or why not."""


class NatsBus:
    """See `Bus`; to be used as an async context manager."""

    def __init__(self, options: Options, name: str, random: Callable[[], float], tell: Tell) -> None:
        """`name` is shown among the servers' connections; `random` gives numbers in [0, 1)."""
        self._options = options
        self._name = name
        self._random = random
        self._tell = tell
        self._link: Link | None = None
        self._task: asyncio.Task[None] | None = None
        self._problem: str | None = "not connected yet"
        self._connections = 0

    async def __aenter__(self) -> Self:
        """Begin to connect; returns at once."""
        self._task = asyncio.create_task(self._stay_connected())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Leave the servers."""
        if self._task is not None:
            while not self._task.done():  # nats-py swallows a cancellation while it connects
                self._task.cancel()
                await asyncio.wait([self._task], timeout=BASE_SECS)
        if self._link is not None:
            await self._link.close()

    @property
    def is_connected(self) -> bool:
        """See `Bus`."""
        return self._link is not None and self._link.is_up

    @property
    def last_error(self) -> str | None:
        """See `Bus`."""
        return self._problem

    @property
    def connection(self) -> int:
        """See `Bus`."""
        return self._connections

    @property
    def most_bytes(self) -> int:
        """See `Bus`."""
        return DEFAULT_MOST_BYTES if self._link is None else self._link.most_bytes

    def check(self) -> None:
        """See `Bus`."""
        if self._task is not None and self._task.done():
            self._task.result()

    async def make_stream(self, edge: str, feed: str) -> str:
        """See `Bus`."""
        options = self._options
        return await self._make(settings.stream_of(edge, feed, options.replicas, options.stream_max_bytes))

    async def make_bucket(self, bucket: str) -> None:
        """See `Bus`."""
        await self._make(settings.bucket_of(bucket, self._options.replicas))

    async def publish(self, edge: str, feed: str, message: bytes) -> "asyncio.Future[int]":
        """See `Bus`."""
        return await self._up().publish(names.subject(edge, feed), message)

    async def streams(self) -> list[tuple[str, str]]:
        """See `Bus`."""
        found: list[str] = []
        while True:
            answer = await self._up().api("STREAM.NAMES", {"offset": len(found), "subject": names.ALL_SLICES})
            page = answer.get("streams") or []
            found += page
            if not page or len(found) >= int(answer.get("total", 0)):
                return [place for name in found if (place := names.of_stream(name)) is not None]

    async def read(self, edge: str, feed: str, first: int = 1) -> AsyncIterator[list[Stored]]:
        """See `Bus`."""
        name = names.stream(edge, feed)
        async for messages in Pull(self._up(), name).messages(settings.reader_of(first)):
            yield [Stored(sequence, message.data, stored_ns(message.reply)) for sequence, message in messages]

    async def purge(self, edge: str, feed: str, up_to: int) -> None:
        """See `Bus`."""
        last = (await self.state(edge, feed)).last
        # The newest stays: an empty stream would not know where it was when it is restored.
        behind = min(up_to + 1, last)
        if behind > 1:
            await self._up().api(f"STREAM.PURGE.{names.stream(edge, feed)}", {"seq": behind})

    async def state(self, edge: str, feed: str) -> StreamState:
        """See `Bus`."""
        state = (await self._up().api(f"STREAM.INFO.{names.stream(edge, feed)}"))["state"]
        return StreamState(state["messages"], state["bytes"], state["first_seq"], state["last_seq"])

    async def get(self, bucket: str, key: str) -> Entry | None:
        """See `Bus`."""
        name = f"STREAM.MSG.GET.{settings.bucket_stream(bucket)}"
        try:
            found = (await self._up().api(name, {"last_by_subj": settings.key_subject(bucket, key)}))["message"]
        except NoMessageError:
            return None
        if _REMOVED.encode() in base64.b64decode(found.get("hdrs", "")):
            return None
        return Entry(key, base64.b64decode(found.get("data", "")), int(found["seq"]))

    async def get_all(self, bucket: str) -> Mapping[str, Entry]:
        """See `Bus`."""
        pull = self._watcher(bucket)
        found: dict[str, Entry] = {}
        async for messages in pull.messages(settings.watcher_of(bucket)):
            found |= {entry.key: entry for entry in _entries(bucket, messages)}
            if pull.pending == 0 or pull.delivery.behind == 0:
                break
        return found

    async def put(self, bucket: str, key: str, value: bytes, after: int | None = None) -> int:
        """See `Bus`."""
        headers = None if after is None else {_AFTER: str(after)}
        return await (await self._up().publish(settings.key_subject(bucket, key), value, headers))

    async def delete(self, bucket: str, key: str) -> None:
        """See `Bus`."""
        subject = settings.key_subject(bucket, key)
        await self._up().api(f"STREAM.PURGE.{settings.bucket_stream(bucket)}", {"filter": subject})

    async def watch(self, bucket: str) -> AsyncIterator[list[Entry]]:
        """See `Bus`."""
        async for messages in self._watcher(bucket).messages(settings.watcher_of(bucket)):
            yield _entries(bucket, messages)

    def _watcher(self, bucket: str) -> Pull:
        return Pull(self._up(), settings.bucket_stream(bucket))

    async def _make(self, wanted: dict[str, Any]) -> str:
        name = wanted["name"]
        try:
            await self._up().api(f"STREAM.CREATE.{name}", wanted)
        except (ApiError, FullError) as refused:
            # A lack of room is told before the name is looked at.
            if not await self._has_stream(name):
                raise
            return await self._update(wanted) if _is_other(refused) else str(refused)
        return ""

    async def _update(self, wanted: dict[str, Any]) -> str:
        try:
            await self._up().api(f"STREAM.UPDATE.{wanted['name']}", wanted)
        except (ApiError, FullError) as refused:
            return str(refused)
        return ""

    async def _has_stream(self, name: str) -> bool:
        try:
            await self._up().api(f"STREAM.INFO.{name}")
        except MissingError:
            return False
        return True

    def _up(self) -> Link:
        if self._link is None or not self._link.is_up:
            raise BusError(self._problem or "the connection to the NATS server was lost")
        return self._link

    async def _stay_connected(self) -> None:
        pauses = self._pauses()
        first = int(self._random() * len(self._options.urls))
        for url in itertools.islice(itertools.cycle(self._options.urls), first, None):
            try:
                self._link = await open_link(self._options, url, self._name)
            except BusError as error:
                self._set_problem(str(error))
                await asyncio.sleep(next(pauses))
                continue
            pauses = self._pauses()
            self._connections += 1
            self._problem = None
            self._tell(True, url)
            await self._link.lost()
            self._set_problem(f"{url}: the connection was lost")

    def _set_problem(self, text: str) -> None:
        self._problem = text
        self._tell(False, text)

    def _pauses(self) -> Iterator[float]:
        return delays(BASE_SECS, CAP_SECS, self._random)


def _entries(bucket: str, messages: list[tuple[int, Message]]) -> list[Entry]:
    before = len(settings.key_subject(bucket, ""))
    return [
        Entry(message.subject[before:], message.data, sequence)
        for sequence, message in messages
        if _REMOVED not in message.headers
    ]


def _is_other(refused: BusError) -> bool:
    """Whether the stream is refused because there is one with other settings."""
    return isinstance(refused, ApiError) and refused.code == OTHER_SETTINGS
