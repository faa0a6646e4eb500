"""Asks an exchange once for its instruments, for a person who waits."""

from collections import deque
from collections.abc import Mapping
from functools import partial
from typing import Final, Protocol

from collector.domain.errors import StopError, UndecodableError
from collector.domain.redact import printable
from collector.exchanges.rest_adapter import Get, Listing, RestAdapter
from collector.feed.rest import RestError, RestResponse
from collector.processes.rest_adapters import read_response
from collector.storage.instrument_files import ListedInstrument

_MAX_REQUESTS: Final = 1_000
"""The most requests for one list: pages may have no end."""

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


def ask_instruments(exchange: str, rest: RestAdapter, client: Client) -> list[ListedInstrument]:
    """The exchange's instruments by symbol, without their volumes. Raises ListingError."""
    waiting = deque(rest.lists())
    if not waiting:
        raise ListingError(f"{exchange} has no list of instruments")
    found: dict[str, Listing] = {}
    for _ in range(_MAX_REQUESTS):
        get = waiting.popleft()
        body = _answer(exchange, rest, client, get)
        try:
            listings, following = read_response(partial(rest.read_list, get, body))
        except UndecodableError as error:
            raise ListingError(f"{exchange}'s list of instruments cannot be read: {error}") from error
        found.update((listing.symbol, listing) for listing in listings)
        if following is not None:
            waiting.append(following)
        if not waiting:
            return [ListedInstrument(each.symbol, each.kind, each.is_trading) for _, each in sorted(found.items())]
    raise ListingError(f"{exchange}'s list of instruments has more than {_MAX_REQUESTS} pages")


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
