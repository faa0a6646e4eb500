"""How a process stands back for others."""

import errno
import os

import pytest

from collector.processes.priority import step_back
from collector.processes.roles import role_of


def test_what_would_be_lost_goes_before_what_can_wait() -> None:
    ingest, writer, repair, archiver = (role_of(name).nice for name in ("ingest:x", "writer", "repair", "archiver"))
    assert ingest < repair < writer < archiver
    assert ingest == 0


def test_a_system_that_allows_no_change_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def refuse(steps: int) -> int:
        asked.append(steps)
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "nice", refuse)
    step_back(5)
    assert asked == [5]
