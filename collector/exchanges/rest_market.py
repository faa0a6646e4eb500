"""A REST interface that has nothing: an exchange's own overrides what it has."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

from collector.domain.errors import UndecodableError
from collector.domain.records import Envelope, StreamKey
from collector.exchanges.rest_adapter import Get, Hole, ListPage, Page, Poll, Refusal, RestLimits


class RestMarket:
    """See `RestAdapter`. Nothing can be requested; what is read nevertheless raises UndecodableError."""

    limits: RestLimits
    polls: ClassVar[Mapping[str, Poll]] = MappingProxyType({})
    clock_step_us: int = 1_000
    """Milliseconds, as most exchanges tell."""

    def snapshot(self, symbol: str) -> Get | None:
        """None."""
        return None

    def brief_snapshot(self, symbol: str) -> Get | None:
        """None."""
        return None

    def page(self, stream: StreamKey, hole: Hole, cursor: str) -> Get | None:
        """None."""
        return None

    def read_page(self, stream: StreamKey, hole: Hole, cursor: str, body: bytes) -> Page:
        """Nobody asks for one."""
        raise UndecodableError(f"{stream.exchange} has no pages of {stream.data_type}")

    def read_snapshot(self, stream: StreamKey, body: bytes) -> Envelope:
        """Nobody asks for one."""
        raise UndecodableError(f"{stream.exchange} has no books over REST")

    def read_poll(self, stream: StreamKey, body: bytes) -> Envelope | None:
        """Nobody asks for one."""
        raise UndecodableError(f"{stream.exchange} has no {stream.data_type} over REST")

    def refusal(self, body: bytes) -> tuple[Refusal, str] | None:
        """None: an error has a status of its own."""
        return None

    def lists(self) -> tuple[Get, ...]:
        """None."""
        return ()

    def read_list(self, get: Get, body: bytes) -> ListPage:
        """Nobody asks for one."""
        raise UndecodableError("there is no list of instruments")

    def volumes(self) -> tuple[Get, ...]:
        """None."""
        return ()

    def read_volumes(self, get: Get, body: bytes) -> Mapping[str, float]:
        """Nobody asks for one."""
        raise UndecodableError("there are no volumes")

    def clock(self) -> Get | None:
        """None."""
        return None

    def read_clock(self, body: bytes) -> int:
        """Nobody asks for it."""
        raise UndecodableError("there is no clock")
