"""An exchange's list of instruments, page by page, whoever asks for it."""

from collections import deque
from typing import Final

from collector.domain.errors import UndecodableError
from collector.exchanges.rest_adapter import Get, Listing, RestAdapter, Unread
from collector.processes.rest_adapters import read_response
from collector.storage.instrument_files import MAX_INSTRUMENTS, ListedInstrument

MAX_PAGES: Final = 1_000
"""The most pages of one list: an exchange may name a next one without end."""


class ListPages:
    """Which page to ask for next, and what the pages so far held."""

    def __init__(self, rest: RestAdapter) -> None:
        self._rest = rest
        self._waiting = deque(rest.lists())
        self._read = 0
        self._found: dict[str, Listing] = {}
        self.unread = Unread()
        """Entries of the pages so far that could not be read, and are left out."""

    def next(self) -> Get | None:
        """The request for a page, the same until its answer is taken; None if the list is whole."""
        return self._waiting[0] if self._waiting else None

    def take(self, body: bytes) -> list[Listing]:
        """Read the answer to the request. Raises UndecodableError, also if the pages have no end: the list is then lost."""
        get = self._waiting[0]
        listings, following, unread = read_response(lambda: self._rest.read_list(get, body))
        before = len(self._found)
        # Only its row needs an instrument's own text, and the caller makes it now.
        self._found.update((listing.symbol, listing._replace(payload=b"")) for listing in listings)
        if len(self._found) > MAX_INSTRUMENTS:
            raise UndecodableError(f"a list of more than {MAX_INSTRUMENTS} instruments")
        self._read += 1
        if following is not None:
            if self._read > MAX_PAGES or len(self._found) == before:
                raise UndecodableError("a list whose pages have no end")
            self._waiting.append(following)
        self._waiting.popleft()
        self.unread = Unread(self.unread.number + unread.number, self.unread.first or unread.first)
        return listings

    def found(self, volumes: dict[str, float]) -> list[ListedInstrument]:
        """The instruments of the pages so far, each with its volume."""
        return [
            ListedInstrument(each.symbol, each.kind, each.is_trading, volumes.get(each.symbol))
            for each in self._found.values()
        ]
