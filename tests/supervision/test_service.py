"""What a service manager hears, over a real socket."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.domain.log import Log
from collector.supervision.service import Service


class Manager:
    """The listening end of a notify socket."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self._socket.setblocking(False)  # a datagram is there as soon as it is sent

    def heard(self) -> list[str]:
        """What came since it was asked last."""
        texts = []
        while True:
            try:
                texts.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return texts

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def events() -> list[str]:
    return []


@pytest.fixture
def log(events: list[str]) -> Log:
    return Log(lambda _level, fields: events.append(fields["event"]))


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "notify")


@pytest.fixture
def manager(path: str) -> Iterator[Manager]:
    made = Manager(path)
    yield made
    made.close()


def test_ready_and_stopping_are_said_once(path: str, manager: Manager, log: Log) -> None:
    service = Service.of({"NOTIFY_SOCKET": path}, log)
    service.tell(ready=False, stopping=False)
    assert manager.heard() == []
    for _ in range(3):
        service.tell(ready=True, stopping=False)
    assert manager.heard() == ["READY=1"]
    for _ in range(3):
        service.tell(ready=True, stopping=True)
    assert manager.heard() == ["STOPPING=1"]


def test_a_watchdog_message_goes_out_each_second_if_wanted(path: str, manager: Manager, log: Log) -> None:
    environment = {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}
    service = Service.of(environment, log)
    service.tell(ready=False, stopping=False)
    service.tell(ready=True, stopping=False)
    service.tell(ready=True, stopping=False)
    assert manager.heard() == ["WATCHDOG=1", "READY=1\nWATCHDOG=1", "WATCHDOG=1"]


def test_no_watchdog_message_if_another_process_is_watched(path: str, manager: Manager, log: Log) -> None:
    Service.of({"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"}, log).tell(ready=True, stopping=False)
    assert manager.heard() == ["READY=1"]


def test_after_a_handover_the_manager_is_told_the_process_and_that_one_is_watched(
    path: str, manager: Manager, log: Log
) -> None:
    environment = {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}
    Service.of(environment, log).hand_on(4321)
    Service.of({}, log).hand_on(4321)
    Service.of(environment, log, after_handover=True).tell(ready=True, stopping=False)
    assert manager.heard() == ["MAINPID=4321", "READY=1\nWATCHDOG=1"]


def test_an_address_without_a_file_is_understood(tmp_path: Path, log: Log) -> None:
    manager = Manager(f"\0{tmp_path}")
    Service.of({"NOTIFY_SOCKET": f"@{tmp_path}"}, log).tell(ready=True, stopping=False)
    assert manager.heard() == ["READY=1"]
    manager.close()


def test_a_failed_notification_is_sent_later_and_logged_once(path: str, log: Log, events: list[str]) -> None:
    service = Service.of({"NOTIFY_SOCKET": path}, log)
    for _ in range(3):
        service.tell(ready=True, stopping=False)
    assert events == ["service_manager_deaf"]
    manager = Manager(path)
    service.tell(ready=True, stopping=True)
    assert manager.heard() == ["READY=1\nSTOPPING=1"]
    manager.close()


def test_without_a_manager_nothing_is_sent(log: Log, events: list[str]) -> None:
    Service.of({"WATCHDOG_USEC": "1"}, log).tell(ready=True, stopping=True)
    assert events == []
