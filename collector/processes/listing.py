"""Asks an exchange once for its instruments, for a person who waits."""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from typing import Final, NamedTuple, Protocol, TypeVar

from collector.domain.errors import StopError, UndecodableError
from collector.domain.redact import printable
from collector.exchanges.rest_adapter import Get, RestAdapter, Unread
from collector.feed.rest import RestError, RestResponse
from collector.processes.list_pages import ListPages
from collector.processes.rest_adapters import read_response
from collector.storage.instrument_files import ListedInstrument

Told = TypeVar("Told")

_OK: Final = 200
_SHOWN: Final = 200
"""Characters of an error answer that are shown."""


class Client(Protocol):
    """What sends the requests."""

    def get(self, target: str, method: str, body: str) -> RestResponse:
        """See `RestClient.get`."""
        ...


class ListingError(StopError):
    """The exchange gave no list; the text says why."""

    exit_code = 2


class Listed(NamedTuple):
    """An exchange's instruments by symbol, and what could not be read of its list."""

    instruments: list[ListedInstrument]
    unread: Unread


def ask_instruments(exchange: str, rest: RestAdapter, client: Client) -> Listed:
    """The exchange's instruments, without their volumes. Raises ListingError."""
    pages = ListPages(rest)
    if pages.next() is None:
        raise ListingError(f"{exchange} has no list of instruments")
    while (get := pages.next()) is not None:
        body = _answer(exchange, rest, client, get)
        try:
            pages.take(body)
        except UndecodableError as error:
            raise ListingError(f"{exchange}'s list of instruments cannot be read: {error}") from error
    return Listed(sorted(pages.found({}), key=lambda each: each.symbol), pages.unread)


def ask_volumes(exchange: str, rest: RestAdapter, client: Client) -> Mapping[str, float]:
    """What was traded of each symbol in 24 hours; nothing if the exchange does not tell. Raises ListingError."""
    found: dict[str, float] = {}
    for get in rest.volumes():
        body = _answer(exchange, rest, client, get)
        try:
            found.update(read_response(partial(rest.read_volumes, get, body)))
        except UndecodableError as error:
            raise ListingError(f"{exchange}'s volumes cannot be read: {error}") from error
    return found


def within(secs: float, exchange: str, ask: Callable[[], Told]) -> Told:
    """What `ask` returns. Raises ListingError if it takes longer than `secs`, and leaves it to itself then; what it raises
    otherwise. A server that sends a byte now and then keeps the timeouts of a request from passing.
    """
    told: Future[Told] = Future()

    def run() -> None:
        try:
            told.set_result(ask())
        except BaseException as error:  # noqa: BLE001 -- raised again below
            told.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        return told.result(secs)
    except TimeoutError as error:
        raise ListingError(f"{exchange} gave no whole answer in time") from error


def _answer(exchange: str, rest: RestAdapter, client: Client, get: Get) -> bytes:
    try:
        answer = client.get(get.target, get.method, get.body)
    except RestError as error:
        raise ListingError(f"{exchange} gave no answer: {error}") from error
    try:
        refusal = read_response(partial(rest.refusal, answer.body))
    except UndecodableError:
        refusal = None
    if answer.status != _OK or refusal is not None:
        text = answer.body.decode(errors="replace") if refusal is None else refusal[1]
        raise ListingError(f"{exchange} refused: HTTP {answer.status}: {printable(text.strip()[:_SHOWN])}")
    return answer.body
