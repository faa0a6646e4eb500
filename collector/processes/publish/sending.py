"""Sends slices and takes their confirmations, one window at a time."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from msgspec.structs import replace

from collector.backoff import delays
from collector.bus.bodies import Compressor
from collector.bus.bus import Bus, BusError, MissingError
from collector.bus.places import FilePlace
from collector.bus.slices import SliceHead, encode_parts, head_bytes
from collector.processes.publish.window import Entry, Window

BASE_SECS: Final = 0.2
CAP_SECS: Final = 5.0


class Packed(NamedTuple):
    """A slice as it waits; `body` is compressed."""

    head: SliceHead
    body: bytes

    @property
    def size(self) -> int:
        """Bytes of its message, if it is one."""
        return head_bytes(self.head) + len(self.body)


class Sending:
    """The slices on their way to the servers. For the event loop's thread."""

    def __init__(
        self,
        bus: Bus,
        most_bytes: int,
        monotonic: Callable[[], float],
        now_ns: Callable[[], int],
        random: Callable[[], float],
        ring: Callable[[], None],
    ) -> None:
        """`most_bytes`: so much may be under way; `ring` is called with each answer."""
        self._bus = bus
        self._monotonic = monotonic
        self._now_ns = now_ns
        self._random = random
        self._ring = ring
        self._window = Window[Packed](most_bytes)
        self._compressor = Compressor()
        self._pauses = self._new_pauses()
        self._hold_until = 0.0
        self.confirmed: FilePlace | None = None
        """The end of the newest slice that the servers have confirmed."""
        self.sequence = 0
        """Its number in the stream."""
        self.is_stream_lost = False
        """Whether the stream that held confirmed slices is gone: it answers no more, or counts anew."""
        self.is_stream_missing = False
        """Whether there is no stream now; whoever makes it sets this back."""
        self.slices = self.journal_bytes = self.sent_bytes = self.failures = 0
        self.last_error: str | None = None
        """Why the newest try failed; None once a slice was confirmed since."""

    @property
    def has_room(self) -> bool:
        """Whether another slice may be added."""
        return self._window.has_room

    @property
    def is_empty(self) -> bool:
        """Whether all slices are confirmed."""
        return not len(self._window)

    @property
    def waiting_bytes(self) -> int:
        """Journal bytes in slices that are not confirmed."""
        return sum(packed.head.end - packed.head.start for packed in self._window.slices())

    def hold_secs(self) -> float:
        """Seconds until it may send again after a failure; 0 if it may."""
        return max(0.0, self._hold_until - self._monotonic())

    def add(self, head: SliceHead, body: bytes) -> None:
        """Take a slice and the bytes of its records."""
        packed = Packed(head, self._compressor.compressed(body))
        self._window.add(packed, packed.size)

    async def send(self) -> None:
        """Send as much as may be under way."""
        if self.hold_secs():
            return
        while (entry := self._window.next()) is not None:
            turn = self._window.turn
            try:
                messages = self._messages(entry.slice)
                for left, message in enumerate(messages, 1 - len(messages)):
                    await self._publish(entry, turn, message, is_last=not left)
            except BusError as error:
                self._failed(turn, error)
                return

    def begin_again(self) -> None:
        """Forget all slices: those behind the place come again."""
        self._window.clear()
        self.confirmed, self.sequence, self.is_stream_lost = None, 0, False

    def fail(self, error: BusError) -> None:
        """Send again what is not confirmed."""
        self._failed(self._window.turn, error)

    def _messages(self, packed: Packed) -> list[bytes]:
        """A slice as it is sent now: each time it says when, so that what waited shows nothing of this host's clock."""
        return encode_parts(replace(packed.head, sent_ns=self._now_ns()), packed.body, self._bus.most_bytes)

    async def _publish(self, entry: Entry[Packed], turn: int, message: bytes, *, is_last: bool) -> None:
        head = entry.slice.head
        answer = await self._bus.publish(head.edge, head.feed, message)

        def answered(answer: "asyncio.Future[int]") -> None:
            if answer.cancelled():
                return
            error = answer.exception()
            if isinstance(error, BusError):
                self._failed(turn, error)
            elif is_last:
                self._confirmed(entry, turn, answer.result())
            self._ring()

        answer.add_done_callback(answered)

    def _confirmed(self, entry: Entry[Packed], turn: int, sequence: int) -> None:
        for packed in self._window.confirm(entry, turn):
            head = packed.head
            self.slices += 1
            self.journal_bytes += head.end - head.start
            self.sent_bytes += packed.size
            self.confirmed = FilePlace(head.file_id, head.number, head.end, head.ended)
            self.last_error = None
            self._pauses = self._new_pauses()
        if turn == self._window.turn:
            self.is_stream_lost |= sequence <= self.sequence
            self.sequence = sequence

    def _failed(self, turn: int, error: BusError) -> None:
        if not self._window.fail(turn):
            return
        self.failures += 1
        self.last_error = str(error)
        if isinstance(error, MissingError):
            self.is_stream_lost = self.is_stream_missing = True
        self._hold_until = self._monotonic() + next(self._pauses)

    def _new_pauses(self) -> Iterator[float]:
        return delays(BASE_SECS, CAP_SECS, self._random)
