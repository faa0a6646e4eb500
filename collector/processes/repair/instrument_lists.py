"""Fetches the instruments that an exchange lists: request by request, and again at intervals."""

from collections import deque
from typing import Final, NamedTuple

from collector.domain.clock import Clock
from collector.domain.errors import UndecodableError
from collector.exchanges.rest_adapter import Get, Listing, RestAdapter
from collector.processes.rest_adapters import read_response
from collector.storage.instrument_files import MAX_INSTRUMENTS, VERSION, InstrumentList, ListedInstrument

MAX_REQUESTS: Final = 1_000
"""The most requests for one list: pages may have no end."""


class _Question(NamedTuple):
    get: Get
    is_for_volumes: bool


class Read(NamedTuple):
    """What an answer brought: its listings, and the whole list if no request of it is left."""

    listings: list[Listing]
    whole: InstrumentList | None


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
        self._waiting: deque[_Question] = deque()
        self._answered = 0
        self._found: dict[str, Listing] = {}
        self._volumes: dict[str, float] = {}

    def next(self) -> Get | None:
        """The request to send now, if there is one; the same until it is answered or the refresh is given up."""
        now = self._clock.monotonic()
        if not self._waiting and now >= self._due_at:
            self._due_at = now + self.refresh_secs
            self._begin()
        return self._waiting[0].get if self._waiting else None

    def take(self, body: bytes) -> Read:
        """Read the answer to the request. Raises UndecodableError; the refresh is then to be given up."""
        question = self._waiting[0]
        listings = [] if question.is_for_volumes else self._take_page(question.get, body)
        if question.is_for_volumes:
            self._volumes |= read_response(lambda: self._rest.read_volumes(question.get, body))
        self._waiting.remove(question)
        self._answered += 1
        return Read(listings, None if self._waiting else self._whole())

    def give_up(self) -> float:
        """The exchange refuses a request, or its answer cannot be read; returns the seconds until the next refresh."""
        self._waiting.clear()
        return max(0.0, self._due_at - self._clock.monotonic())

    def _begin(self) -> None:
        volumes = self._rest.volumes() if self._with_volumes else ()
        self._waiting.extend(_Question(get, is_for_volumes=False) for get in self._rest.lists())
        self._waiting.extend(_Question(get, is_for_volumes=True) for get in volumes)
        self._answered, self._found, self._volumes = 0, {}, {}

    def _take_page(self, get: Get, body: bytes) -> list[Listing]:
        listings, following = read_response(lambda: self._rest.read_list(get, body))
        before = len(self._found)
        # Only its row needs an instrument's own text, and the caller makes it now.
        self._found.update((listing.symbol, listing._replace(payload=b"")) for listing in listings)
        if len(self._found) > MAX_INSTRUMENTS:
            raise UndecodableError(f"a list of more than {MAX_INSTRUMENTS} instruments")
        if following is not None:
            if self._answered >= MAX_REQUESTS or len(self._found) == before:
                raise UndecodableError("a list whose pages have no end")
            self._waiting.append(_Question(following, is_for_volumes=False))
        return listings

    def _whole(self) -> InstrumentList:
        listed = (
            ListedInstrument(found.symbol, found.kind, found.is_trading, self._volumes.get(found.symbol))
            for found in self._found.values()
        )
        return InstrumentList(VERSION, self._exchange, self._clock.now_us(), list(listed))
