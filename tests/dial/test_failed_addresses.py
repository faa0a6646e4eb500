import socket
import threading
from contextlib import ExitStack

import pytest

from collector.dial import dial, mark_failed
from collector.dial.failed_addresses import MAX_REMEMBERED, REMEMBERED_SECS, FailedAddresses
from collector.dial.happy_eyeballs import Address
from tests.dial.names import NAME, Names

A, B, C = (Address(socket.AF_INET, (f"10.0.0.{number}", 443)) for number in range(1, 4))


@pytest.fixture
def now() -> list[float]:
    return [1e6]


@pytest.fixture
def failed(now: list[float]) -> FailedAddresses:
    return FailedAddresses(lambda: now[0])


def test_failed_addresses_come_last_oldest_failure_first(failed: FailedAddresses) -> None:
    failed.note(B)
    failed.note(A)
    assert failed.split([A, B, C]) == ([C], [B, A])
    failed.note(B)
    assert failed.split([A, B, C]) == ([C], [A, B])
    failed.note(C)
    assert failed.split([A, B, C]) == ([], [A, B, C])


def test_many_failures_of_one_address_keep_it_last(failed: FailedAddresses) -> None:
    for failures in range(1, 9):
        failed.note(A)
        assert failed.split([A, B]) == ([B], [A]), failures


def test_a_failure_is_forgotten_after_an_hour(failed: FailedAddresses, now: list[float]) -> None:
    failed.note(A)
    now[0] += REMEMBERED_SECS - 1
    assert failed.split([A, B]) == ([B], [A])
    now[0] += 1
    assert failed.split([A, B]) == ([A, B], [])


def test_the_oldest_failures_are_forgotten_beyond_the_limit(failed: FailedAddresses) -> None:
    many = [Address(socket.AF_INET, (f"10.0.{number >> 8}.{number & 255}", 443)) for number in range(5_000)]
    for address in many:
        failed.note(address)

    assert failed.split(many) == (many[:-MAX_REMEMBERED], many[-MAX_REMEMBERED:])


def test_the_only_address_is_dialled_however_often_it_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    Names(monkeypatch).has("127.0.0.4")
    with socket.create_server(("127.0.0.4", 0)) as server:
        port = server.getsockname()[1]
        for _ in range(3):
            sock, address = dial(NAME, port, 60)
            sock.close()
            assert address.place == ("127.0.0.4", port)
            mark_failed(address)


def test_threads_that_fail_at_once_all_move_to_the_other_address(monkeypatch: pytest.MonkeyPatch) -> None:
    Names(monkeypatch).has("127.0.0.2", "127.0.0.4")
    with ExitStack() as undo:
        first = undo.enter_context(socket.create_server(("127.0.0.2", 0)))
        port = first.getsockname()[1]
        undo.enter_context(socket.create_server(("127.0.0.4", port)))
        all_failed = threading.Barrier(4, timeout=60)
        came_to: list[str] = []

        def connect() -> None:
            sock, address = dial(NAME, port, 60)
            sock.close()
            all_failed.wait()
            mark_failed(address)
            all_failed.wait()
            sock, address = dial(NAME, port, 60)
            sock.close()
            came_to.append(address.place[0])

        threads = [threading.Thread(target=connect) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

    assert came_to == ["127.0.0.4"] * 4
