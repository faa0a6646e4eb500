"""What an exchange allows one address is shared by all its lines and plans, and goes first to who needs it most."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from collector.domain.records import StreamKey
from collector.exchanges.adapter import ConnectionPlan, Subscription
from collector.feed.connection_limit import ConnectionBudget
from collector.feed.connection_queue import Asker
from collector.storage.journal.format import RecordKind
from tests.feed.servers import Server, wire
from tests.processes.ingest.ingest_harness import LIMITS, PlainAdapter, Recording, wait_for

Start = Callable[..., Recording]


@pytest.fixture
def start(tmp_path: Path, server: Server) -> Iterator[Start]:
    begun: list[Recording] = []

    def start(**options: Any) -> Recording:
        begun.append(Recording(tmp_path, server.url, **options))
        return begun[-1]

    yield start
    for recording in begun:
        recording.begin_stop()


class UnevenAdapter(PlainAdapter):
    """Its plans have 1, 3 and 2 streams."""

    WIDTHS = (1, 3, 2)

    def plan(self, subscription: Subscription, ws_url: str) -> list[ConnectionPlan]:
        return [
            ConnectionPlan(
                f"{ws_url}?width={width}", (), tuple(StreamKey("plain", f"{width}{at}", "trade") for at in range(width))
            )
            for width in self.WIDTHS
        ]


def widths(server: Server, count: int) -> list[int]:
    """The widths of the next plans that connect, in order."""
    return [int(server.accept(wire(b"data")).request.partition("width=")[2][0]) for _ in range(count)]


def test_the_widest_of_the_plans_that_wait_connects_first(start: Start, server: Server) -> None:
    start(adapter=UnevenAdapter(limits=LIMITS._replace(connections=1, window_secs=0.5)))
    _whoever_asked_first, *waited = widths(server, 3)
    assert waited == sorted(waited, reverse=True)


def test_all_plans_connect_as_soon_as_the_budget_allows(start: Start, server: Server) -> None:
    begun = time.monotonic()
    start(adapter=UnevenAdapter(limits=LIMITS._replace(connections=1, window_secs=0.5)))
    widths(server, 3)
    assert 1.0 <= time.monotonic() - begun < 30.0


def test_a_line_asks_ahead_of_others_unless_an_open_connection_carries_its_plan(
    start: Start, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Asker] = []
    take = ConnectionBudget.take

    def noting(budget: ConnectionBudget, asker: Asker) -> float:
        asked.append(asker)
        return take(budget, asker)

    monkeypatch.setattr(ConnectionBudget, "take", noting)
    recording = start(lines=2, symbols=("A",))
    server.accept(wire(b"A 1"))
    second = server.accept(wire(b"A 1"))
    wait_for(lambda: len(recording.records(RecordKind.CONNECT)) == 2)
    assert (asked[0].line, asked[0].is_carried) == (0, False)

    asked.clear()
    second.hang_up()
    server.accept(wire(b"A 2"))
    assert [asker.is_carried for asker in asked] == [True]


@pytest.mark.parametrize("status", ["429 Too Many Requests", "418 I'm a teapot"])
def test_a_ban_of_one_handshake_is_heeded_by_all_plans_until_it_is_over(
    start: Start, server: Server, status: str
) -> None:
    recording = start(adapter=PlainAdapter([server.url, server.url]))
    server.refuse(status, ["Retry-After: 2"])
    refused_at = time.monotonic()
    wait_for(lambda: recording.events("connect_failed"))
    server.accept(wire(b"BTCUSDT 1")).hang_up()  # it had been on its way
    for _ in range(2):
        server.accept(wire(b"BTCUSDT 2"))
        assert time.monotonic() - refused_at > 1.9
