"""Whole books or brief ones, in what order, and how much weight is kept so that a broken book never waits long."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from collector.domain.records import StreamKey
from collector.domain.repair_protocol import BookRequest
from collector.exchanges.rest_adapter import Get, RestAdapter

KEPT_SHARE: Final = 0.5
"""Of the weight that repair may use, at most so much is kept for books that updates wait for."""


BREAKS_KEPT: Final = 2
"""For so many breaks of all symbols at once a whole book leaves weight: connections that were lost may be lost again soon."""


class BookGet(NamedTuple):
    """How a book is requested."""

    get: Get
    is_brief: bool


class BookChoice:
    """For one feed."""

    def __init__(
        self,
        rest: RestAdapter,
        symbols: Callable[[], Sequence[str]],
        spare: Callable[[], int],
        allowed: int,
        messages: Callable[[], Mapping[StreamKey, int]],
    ) -> None:
        """`spare` is the weight that may be used now, of `allowed`; `messages` tells the busy streams from others."""
        self._rest = rest
        self._symbols = symbols
        self._spare = spare
        self._allowed = allowed
        self._messages = messages

    def kept_weight(self) -> int:
        """The weight that everything but a book leaves alone: enough to get a book, maybe a brief one, of every symbol."""
        return min(self._weight_of_all(), int(self._allowed * KEPT_SHARE))

    def get(self, request: BookRequest, waiting: int) -> BookGet | None:
        """The request for a book while `waiting` books are wanted.

        It is for a brief one if the weight for all of them is not there, and then for brief books of every symbol, because
        requests come one by one after all connections were lost.
        """
        whole = self._rest.snapshot(request.stream.symbol)
        brief = self._rest.brief_snapshot(request.stream.symbol)
        if whole is None or brief is None:
            return None if whole is None else BookGet(whole, is_brief=False)
        is_brief = whole.weight * waiting + BREAKS_KEPT * self._weight_of_all() > self._spare()
        return BookGet(brief if is_brief else whole, is_brief)

    def busiest_first(self, books: Sequence[BookRequest]) -> list[BookRequest]:
        """In the order of their streams' messages."""
        messages = self._messages() if len(books) > 1 else {}
        return sorted(books, key=lambda book: -messages.get(book.stream, 0))

    def busiest_symbols_first(self, exchange: str, data_type: str, symbols: Sequence[str]) -> list[str]:
        """The same for the symbols of a data type."""
        messages = self._messages() if len(symbols) > 1 else {}
        return sorted(symbols, key=lambda symbol: -messages.get(StreamKey(exchange, symbol, data_type), 0))

    def _weight_of_all(self) -> int:
        """The weight of a book, of a brief one where there are such, of every symbol."""
        symbols = self._symbols()
        get = self._rest.brief_snapshot(symbols[0]) or self._rest.snapshot(symbols[0]) if symbols else None
        return 0 if get is None else get.weight * len(symbols)
