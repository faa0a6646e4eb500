"""Name lookups with a timeout: the system's own lookup has none and may hang for minutes."""

import socket
from concurrent.futures import Future
from copy import copy
from threading import Lock, Thread
from typing import Final

from collector.dial.happy_eyeballs import Address, UnreachableError

_running: Final[dict[tuple[str, int], Future[list[Address]]]] = {}
_lock: Final = Lock()


def addresses_of(host: str, port: int, timeout_secs: float) -> list[Address]:
    """Every address of a name once, in the system's order of preference. For any thread.

    Each name has at most one lookup at a time: callers that come while it hangs wait for its result.
    Raises UnreachableError, or ValueError for a name that cannot be looked up.
    """
    try:
        return _running_lookup(host, port).result(timeout_secs)
    except TimeoutError as error:
        raise UnreachableError(f"the lookup of {host} took more than {timeout_secs:g} s") from error
    except socket.gaierror as error:
        raise UnreachableError(f"{host} has no address: {error.strerror}") from error


def _running_lookup(host: str, port: int) -> "Future[list[Address]]":
    with _lock:
        lookup = _running.get((host, port))
        if lookup is None:
            lookup = Future()
            # A daemon, so that a lookup that hangs does not keep the process alive.
            Thread(target=_look_up, args=(host, port, lookup), name=f"lookup {host}", daemon=True).start()
            _running[host, port] = lookup
        return lookup


def _look_up(host: str, port: int, lookup: "Future[list[Address]]") -> None:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, ValueError) as error:
        outcome: list[Address] | Exception = copy(error)  # its traceback would hold the lookup, which holds it
    else:
        outcome = list(dict.fromkeys(Address(family, sockaddr) for family, _, _, _, sockaddr in found))
    with _lock:
        del _running[host, port]
    if isinstance(outcome, Exception):
        lookup.set_exception(outcome)
    else:
        lookup.set_result(outcome)
