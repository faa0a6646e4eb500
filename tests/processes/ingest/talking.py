"""An exchange that wants its clients to speak, for tests of what ingest sends."""

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.frames import Opcode

from collector.domain.errors import UndecodableError
from collector.domain.records import StreamKey
from collector.exchanges.adapter import (
    Adapter,
    ConnectionPlan,
    Control,
    ControlKind,
    Keepalive,
    Limits,
    Request,
    Speakers,
    Subscription,
)
from collector.exchanges.rest_adapter import Get, Refusal, RestLimits
from collector.exchanges.rest_market import RestMarket
from tests.feed.servers import Peer
from tests.processes.ingest.ingest_harness import LIMITS, PlainAdapter, Recording

FAST = LIMITS._replace(messages_per_sec=1_000)


class TalkingRest(RestMarket):
    """Refuses with `no <text>`, or `limit <text>` if there were too many requests."""

    limits = RestLimits("http://127.0.0.1:9", "talking", 600, 60.0)

    def refusal(self, body: bytes) -> tuple[Refusal, str] | None:
        kind, _, text = body.decode().partition(" ")
        found = {"no": Refusal.FINAL, "limit": Refusal.LIMITED}.get(kind)
        return None if found is None else (found, text)


class TalkingAdapter(PlainAdapter):
    """Control frames as of PlainAdapter, and `ask <word>`, which wants `answer <word>` back.

    A binary frame is compressed by zlib. Its `again` and `apart` have one request for each stream.
    """

    exchange = "talking"
    rest = TalkingRest()
    opens_with_books = True

    def __init__(
        self,
        requests: Sequence[Request] = (),
        *,
        limits: Limits = FAST,
        keepalive: Keepalive | None = None,
        question: Get | None = None,
    ) -> None:
        super().__init__(limits=limits)
        self._plan_requests = tuple(requests)
        self._keepalive = keepalive
        self._question = question
        self.conversations = 0
        """How many speakers were built."""

    def plan(self, subscription: Subscription, ws_url: str) -> list[ConnectionPlan]:
        return [
            plan._replace(requests=self._plan_requests, keepalive=self._keepalive, question=self._question)
            for plan in super().plan(subscription, ws_url)
        ]

    def dial(self, plan: ConnectionPlan, answer: bytes) -> ConnectionPlan:
        """The answer is a URL."""
        if b" " in answer:
            raise UndecodableError(f"no URL: {answer!r}")
        return plan._replace(url=answer.decode())

    def again(self, keys: Sequence[StreamKey]) -> tuple[Request, ...]:
        return tuple(Request(f"again {key.symbol}") for key in keys)

    def apart(self, keys: Sequence[StreamKey]) -> tuple[Request, ...]:
        return tuple(Request(f"apart {key.symbol}") for key in keys)

    def speakers(self, subscription: Subscription) -> Speakers:
        self.conversations += 1
        return super().speakers(subscription)

    def control(self, frame: bytes) -> Control | None:
        if frame.startswith(b"ask "):
            return Control(ControlKind.HEARTBEAT, "asked", frame.decode().replace("ask", "answer"))
        return super().control(frame)

    def inflate(self, frame: bytes) -> bytes:
        try:
            return zlib.decompress(frame)
        except zlib.error as error:
            raise UndecodableError("not compressed") from error


def texts(peer: Peer, count: int) -> list[str]:
    """The next text frames that the client sends, its pings left out."""
    found: list[str] = []
    while len(found) < count:
        frame = peer.receive()
        if frame.opcode == Opcode.TEXT:
            found.append(frame.data.decode())
    return found


@contextmanager
def recording_of(folder: Path, url: str, adapter: Adapter, **options: Any) -> Iterator[Recording]:
    """Told to stop at the end; whether it does is for the test to wait for."""
    recording = Recording(folder, url, adapter=adapter, **options)
    try:
        yield recording
    finally:
        recording.begin_stop()
