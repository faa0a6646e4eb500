"""Servers and a storage host in memory, with faults: what they keep, confirm and lose is for the test to say."""

import asyncio
from collections.abc import AsyncIterator, Mapping

from collector.bus.bodies import expanded
from collector.bus.bus import Bus, BusError, Entry, MissingError, Stored, StreamState
from collector.bus.names import PLACES, place_key
from collector.bus.places import EdgePlace, FilePlace, encode_place
from collector.bus.slices import Joiner, SliceHead, decode_slice

EDGE, FEED = "edge1", "binance"


class FakeBus:
    """See `Bus`."""

    def __init__(self) -> None:
        self.is_connected = True
        self.connection = 1
        self.last_error: str | None = None
        self.most_bytes = 1 << 20
        self.has_stream = False
        self.messages: list[bytes] = []
        self.keys: dict[str, Entry] | None = None
        self.refusal: BusError | None = None
        """With this every message is refused."""
        self.swallowed = 0
        """So many of the next messages are confirmed and lost."""
        self.unconfirmed = 0
        """So many of the next messages are stored and not confirmed."""
        self.sent = 0

    def check(self) -> None:
        pass

    def lose_stores(self) -> None:
        self.has_stream, self.messages, self.keys = False, [], None

    async def make_stream(self, edge: str, feed: str) -> str:
        assert (edge, feed) == (EDGE, FEED)
        if self.refusal is not None:
            raise self.refusal
        self.has_stream = True
        return ""

    async def make_bucket(self, bucket: str) -> None:
        assert bucket == PLACES
        self.keys = {} if self.keys is None else self.keys

    async def publish(self, edge: str, feed: str, message: bytes) -> "asyncio.Future[int]":
        if not self.is_connected:
            raise BusError("no connection")
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.sent += 1
        if self.refusal is not None or not self.has_stream:
            answer.set_exception(self.refusal or MissingError("no stream"))
            return answer
        self.messages.append(message)
        if self.swallowed:
            self.swallowed -= 1
            self.messages[-1] = b""
        if self.unconfirmed:
            self.unconfirmed -= 1
            answer.set_exception(BusError("not confirmed in time"))
        else:
            answer.set_result(len(self.messages))
        return answer

    async def streams(self) -> list[tuple[str, str]]:
        return [(EDGE, FEED)] if self.has_stream else []

    async def state(self, edge: str, feed: str) -> StreamState:
        if not self.has_stream:
            raise MissingError("no stream")
        return StreamState(len(self.messages), sum(map(len, self.messages)), 1, len(self.messages))

    async def get(self, bucket: str, key: str) -> Entry | None:
        if self.keys is None:
            raise MissingError("no bucket")
        return self.keys.get(key)

    async def get_all(self, bucket: str) -> Mapping[str, Entry]:
        return self.keys or {}

    async def put(self, bucket: str, key: str, value: bytes, after: int | None = None) -> int:
        assert after is None
        if self.keys is None:
            raise MissingError("no bucket")
        before = self.keys.get(key)
        self.keys[key] = Entry(key, value, 1 if before is None else before.revision + 1)
        return self.keys[key].revision

    async def purge(self, edge: str, feed: str, up_to: int) -> None:
        raise NotImplementedError

    async def delete(self, bucket: str, key: str) -> None:
        raise NotImplementedError

    def read(self, edge: str, feed: str, first: int = 1) -> AsyncIterator[list[Stored]]:
        raise NotImplementedError

    def watch(self, bucket: str) -> AsyncIterator[list[Entry]]:
        raise NotImplementedError


def as_bus(bus: FakeBus) -> Bus:
    return bus


class FakeRelay:
    """Takes slices as a storage host does, and tells where it is."""

    def __init__(self, bus: FakeBus) -> None:
        self.bus = bus
        self.files: dict[str, bytearray] = {}
        self.places: dict[str, FilePlace] = {}
        self.heads: list[SliceHead] = []
        """Of the slices that were taken."""
        self.epoch = ""
        self.has_hole = False
        self._taken = 0
        self._joiner = Joiner()

    async def step(self) -> None:
        """Take what is in the stream, and tell the place."""
        self._taken = min(self._taken, len(self.bus.messages))
        for message in self.bus.messages[self._taken :]:
            self.take_message(message)
        self._taken = len(self.bus.messages)
        if self.bus.keys is not None:
            await self.tell()

    def take_message(self, message: bytes) -> None:
        joined = self._joiner.take(*decode_slice(message)) if message else None
        if joined is not None:
            self._take(*joined)

    async def tell(self) -> None:
        place = EdgePlace(self.epoch, tuple(self.places.values()), hole=self.has_hole)
        await self.bus.put(PLACES, place_key(EDGE, FEED), encode_place(place))

    def _take(self, head: SliceHead, body: bytes) -> None:
        at = self.places.get(head.file_id)
        missing = [
            file for file in head.before if file.file_id not in self.places or not self.places[file.file_id].ended
        ]
        offset = at.offset if at is not None else 0
        if (head.start > offset or missing) and not head.lost:
            self.has_hole = True
            return
        self.epoch = self.epoch or head.epoch
        if (at is not None and at.ended) or (head.end <= offset and at is not None and not head.ended):
            return
        self.has_hole = False
        data = self.files.setdefault(head.file_id, bytearray())
        data[head.start :] = expanded(head, body) if not head.damage else b"?" * (head.end - head.start)
        self.places[head.file_id] = FilePlace(head.file_id, head.number, head.end, head.ended)
        self.heads.append(head)
