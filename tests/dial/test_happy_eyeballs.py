import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from collector.dial.happy_eyeballs import PAUSE_SECS, Address, UnreachableError, alternating, race
from tests.dial.names import DeadAddress

PATIENCE_SECS = 60.0

V4 = [Address(socket.AF_INET, (f"10.0.0.{number}", 443)) for number in range(1, 4)]
V6 = [Address(socket.AF_INET6, (f"2001:db8::{number}", 443, 0, 0)) for number in range(1, 3)]


def test_address_families_alternate_beginning_with_the_preferred_one() -> None:
    assert alternating([*V6, *V4]) == [V6[0], V4[0], V6[1], V4[1], V4[2]]
    assert alternating([*V4, *V6]) == [V4[0], V6[0], V4[1], V6[1], V4[2]]
    assert alternating([]) == []


@pytest.fixture
def dead() -> Iterator[Callable[[str, int], DeadAddress]]:
    with ExitStack() as all_of_them:

        def make(host: str, port: int = 0) -> DeadAddress:
            one = DeadAddress(host, port)
            all_of_them.callback(one.close)
            return one

        yield make


@pytest.fixture
def live() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.4", 0)) as server:
        yield server


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def at(host: str, port: int) -> Address:
    return Address(socket.AF_INET6 if ":" in host else socket.AF_INET, (host, port))


@pytest.mark.parametrize(
    "hosts", [["127.0.0.2", "127.0.0.3", "127.0.0.4"], ["127.0.0.2", "127.0.0.4", "127.0.0.3"],
              ["127.0.0.4", "127.0.0.2", "127.0.0.3"], ["::1", "127.0.0.2", "127.0.0.4"]],
)  # fmt: skip
def test_an_address_that_never_answers_costs_a_quarter_of_a_second(
    live: socket.socket, dead: Callable[[str, int], DeadAddress], hosts: list[str]
) -> None:
    port = live.getsockname()[1]
    for host in hosts:
        if host != "127.0.0.4":
            dead(host, port)
    began = time.monotonic()
    sock, address = race([at(host, port) for host in hosts], PATIENCE_SECS)
    with sock:
        assert sock.getpeername()[0] == "127.0.0.4"
    assert address == at("127.0.0.4", port)
    assert time.monotonic() - began >= hosts.index("127.0.0.4") * PAUSE_SECS
    assert time.monotonic() - began < PATIENCE_SECS / 6


def test_an_address_that_refuses_is_passed_at_once(live: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collector.dial.happy_eyeballs.PAUSE_SECS", 1e6)
    port = live.getsockname()[1]

    with race([at("127.0.0.5", port), at("127.0.0.6", port), at("127.0.0.4", port)], PATIENCE_SECS)[0] as sock:
        assert sock.getpeername() == ("127.0.0.4", port)


def test_a_fast_address_that_failed_before_loses_to_a_slow_good_one(
    live: socket.socket, dead: Callable[[str, int], DeadAddress], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.dial.happy_eyeballs.FAILED_PAUSE_SECS", PATIENCE_SECS)
    port = live.getsockname()[1]
    far = dead("127.0.0.2", port)
    arriving = threading.Timer(2 * PAUSE_SECS, far.wake)
    arriving.start()

    sock, address = race([at("127.0.0.2", port)], PATIENCE_SECS, [at("127.0.0.4", port)])

    arriving.join(PATIENCE_SECS)
    sock.close()
    assert address == at("127.0.0.2", port)


def test_an_address_that_failed_before_is_still_tried(
    live: socket.socket, dead: Callable[[str, int], DeadAddress], monkeypatch: pytest.MonkeyPatch
) -> None:
    port = live.getsockname()[1]
    dead("127.0.0.2", port)
    sock, address = race([at("127.0.0.2", port)], PATIENCE_SECS, [at("127.0.0.4", port)])
    sock.close()
    assert address == at("127.0.0.4", port)

    monkeypatch.setattr("collector.dial.happy_eyeballs.FAILED_PAUSE_SECS", 1e6)
    for others in ([], [at("127.0.0.5", port)]):  # there is none, or it refuses
        sock, address = race(others, PATIENCE_SECS, [at("127.0.0.4", port)])
        sock.close()
        assert address == at("127.0.0.4", port)


def test_if_all_addresses_are_dead_the_error_names_each_with_its_failure(
    dead: Callable[[str, int], DeadAddress],
) -> None:
    port = dead("127.0.0.2", 0).port
    dead("127.0.0.3", port)
    addresses = [at("127.0.0.5", port), at("127.0.0.2", port), at("127.0.0.3", port)]

    with pytest.raises(UnreachableError) as caught:
        race(addresses, 1.5)

    assert str(caught.value) == (
        f"no address took the connection: 127.0.0.5:{port} (Connection refused), "
        f"127.0.0.2:{port} (no answer in 1.5 s), 127.0.0.3:{port} (no answer in 1.5 s)"
    )


def test_the_losers_of_a_race_are_closed(live: socket.socket, dead: Callable[[str, int], DeadAddress]) -> None:
    port = live.getsockname()[1]
    dead("127.0.0.2", port)
    open_before = open_files()

    with race([at("127.0.0.2", port), at("127.0.0.4", port)], PATIENCE_SECS)[0]:
        assert open_files() == open_before + 1
