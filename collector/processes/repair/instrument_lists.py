"""Fetches the instruments that an exchange lists: request by request, and again at intervals."""

from collections import deque
from typing import Final, NamedTuple

from collector.domain.clock import Clock
from collector.exchanges.rest_adapter import Get, Listing, RestAdapter, Unread
from collector.processes.list_pages import ListPages
from collector.processes.rest_adapters import read_response
from collector.storage.instrument_files import VERSION, InstrumentList

RETRY_SECS: Final = 30.0
"""Until a list that the disk did not take is asked for again."""


class Read(NamedTuple):
    """What an answer brought: its listings, and the whole list if no request of it is left."""

    listings: list[Listing]
    whole: InstrumentList | None
    unread: Unread = Unread()
    """Entries that the whole list is without."""


class InstrumentLists:
    """One exchange's list, first fetched at once. A refresh of which any part fails is given up, until the next one."""

    def __init__(
        self, exchange: str, rest: RestAdapter, clock: Clock, *, refresh_secs: float, with_volumes: bool
    ) -> None:
        self._exchange = exchange
        self._rest = rest
        self._clock = clock
        self.refresh_secs = refresh_secs
        self._with_volumes = with_volumes
        self._due_at = clock.monotonic()
        self._pages: ListPages | None = None
        self._volume_gets: deque[Get] = deque()
        self._volumes: dict[str, float] = {}

    def next(self) -> Get | None:
        """The request to send now, if there is one; the same until it is answered or the refresh is given up."""
        now = self._clock.monotonic()
        if self._pages is None and now >= self._due_at:
            self._due_at = now + self.refresh_secs
            self._pages, self._volumes = ListPages(self._rest), {}
            self._volume_gets.extend(self._rest.volumes() if self._with_volumes else ())
        if self._pages is None:
            return None
        return self._pages.next() or self._volume_gets[0]

    def take(self, body: bytes) -> Read:
        """Read the answer to the request. Raises UndecodableError; the refresh is then to be given up."""
        if self._pages is None:
            raise ValueError("nobody asked for a list")
        if self._pages.next() is not None:
            listings = self._pages.take(body)
        else:
            get, listings = self._volume_gets[0], []
            self._volumes |= read_response(lambda: self._rest.read_volumes(get, body))
            self._volume_gets.popleft()
        if self._pages.next() or self._volume_gets:
            return Read(listings, None)
        instruments, unread = self._pages.found(self._volumes), self._pages.unread
        self._pages = None
        return Read(listings, InstrumentList(VERSION, self._exchange, self._clock.now_us(), instruments), unread)

    def give_up(self) -> float:
        """The exchange refuses a request, or its answer cannot be read; returns the seconds until the next refresh."""
        self._stop()
        return max(0.0, self._due_at - self._clock.monotonic())

    def start_over(self) -> None:
        """What came cannot be kept: the whole list is asked for again, soon."""
        self._stop()
        self._due_at = self._clock.monotonic() + min(RETRY_SECS, self.refresh_secs)

    def _stop(self) -> None:
        self._pages = None
        self._volume_gets.clear()
