"""Names looked up under a deadline: the system's own lookup has none, and may hang for minutes."""

import socket
from concurrent.futures import Future
from threading import Lock, Thread
from typing import Final

from collector.dial.happy_eyeballs import Address, UnreachableError

_running: Final[dict[tuple[str, int], Future[list[Address]]]] = {}
_changing: Final = Lock()


def addresses_of(host: str, port: int, timeout_secs: float) -> list[Address]:
    """Every address once, in the order of the system's preference. For any thread.

    A name is looked up by one thread at a time: who asks while a lookup hangs waits for the same one.
    Raises UnreachableError, or ValueError for what no lookup takes.
    """
    lookup = _begun(host, port)
    try:
        return lookup.result(timeout_secs)
    except TimeoutError as error:
        raise UnreachableError(f"the lookup of {host} took more than {timeout_secs:g} s") from error
    except socket.gaierror as error:
        raise UnreachableError(f"{host} has no address: {error.strerror}") from error


def _begun(host: str, port: int) -> "Future[list[Address]]":
    with _changing:
        lookup = _running.get((host, port))
        if lookup is None:
            lookup = Future()
            # A daemon: a lookup that hangs must not keep the process.
            Thread(target=_look_up, args=(host, port, lookup), name=f"lookup {host}", daemon=True).start()
            _running[host, port] = lookup
        return lookup


def _look_up(host: str, port: int, lookup: "Future[list[Address]]") -> None:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, ValueError) as error:
        outcome: list[Address] | Exception = error
    else:
        outcome = list(dict.fromkeys(Address(family, place) for family, _, _, _, place in found))
    with _changing:
        del _running[host, port]
    if isinstance(outcome, Exception):
        lookup.set_exception(outcome)
    else:
        lookup.set_result(outcome)
