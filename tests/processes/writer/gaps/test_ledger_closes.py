"""Lasting rows of the ledger are closed: after enough quiet time none is open, whatever happened to the stream."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.domain.gap_stretches import SINGLE_ROWS, STRETCH_SECS
from collector.domain.repair_protocol import BookRequest, RepairAnswer, TradesRequest
from collector.domain.sequence.hole_rules import REORDER_SECS
from collector.storage.journal.format import RecordKind
from tests.processes.writer.processor_world import ProcessorWorld

SEC_US = 1_000_000
START_US = 1_700_000_000 * SEC_US
LONG_SECS = 20 * STRETCH_SECS


def diff(exchange: str, id_: int, at_ms: int, price: str = "1") -> bytes:
    data = {"e": "depthUpdate", "E": at_ms, "T": at_ms, "s": "X", "U": id_, "u": id_, "b": [[price, "1"]], "a": []}
    if exchange != "binance":
        data["pu"] = id_ - 1
    return json.dumps({"stream": "x@depth@100ms", "data": data}).encode()


def trade(exchange: str, id_: int, at_ms: int, price: str = "1") -> bytes:
    data = {"e": "trade", "E": at_ms, "T": at_ms, "s": "X", "t": id_, "p": price, "q": "2", "m": True}
    data |= {"M": True} if exchange == "binance" else {"X": "MARKET"}
    return json.dumps({"stream": "x@trade", "data": data}).encode()


class LedgerWorld:
    """A book and trades of one symbol; every step changes the next message."""

    def __init__(self, exchange: str, *, repaired: bool) -> None:
        self.exchange = exchange
        self.world = ProcessorWorld(exchange, ("X",), ("book_delta", "trade"), repaired=repaired)
        self.now_us = START_US
        self.ids = {diff: 1_000, trade: 1_000}
        self.missing: list[tuple[Callable[..., bytes], int, int]] = []
        self.sent_ms: dict[Callable[..., bytes], int] = {}
        """When the newest message was sent."""
        self.connections = 1
        self.world.happened(RecordKind.CONNECT, self.now_us, **self.connection())
        self.speak()

    def connection(self) -> dict[str, Any]:
        return {"connection": self.connections, "plan": 0, "url": "ws://x", "streams": 2}

    def receive(self, *frames: bytes) -> None:
        self.world.receive(self.now_us, frames)

    def wait(self, secs: float) -> None:
        self.now_us += round(secs * SEC_US)

    def speak(self) -> None:
        for kind in self.ids:
            self.ids[kind] += 1
            self.sent_ms[kind] = self.now_us // 1_000
            self.receive(kind(self.exchange, self.ids[kind], self.sent_ms[kind]))

    def lose(self, times: int) -> None:
        """Every second message, ten a second."""
        for _ in range(times):
            for kind in self.ids:
                self.ids[kind] += 1
                self.missing.append((kind, self.ids[kind], self.now_us // 1_000))
            self.wait(0.1)
            self.speak()

    def come_late(self, which: int) -> None:
        if self.missing:
            kind, id_, sent_ms = self.missing.pop(which % len(self.missing))
            self.receive(kind(self.exchange, id_, sent_ms))

    def restart(self) -> None:
        self.wait(REORDER_SECS + 1)
        self.ids = dict.fromkeys(self.ids, 10)
        self.speak()

    def conflict(self) -> None:
        self.receive(*(kind(self.exchange, id_, self.sent_ms[kind], price="7") for kind, id_ in self.ids.items()))

    def garbage(self) -> None:
        self.receive(b'{"stream":"x@trade","data":[]}')

    def refuse(self, secs: float) -> None:
        started_ns = self.now_us * 1_000
        self.wait(secs)
        for kind in self.ids:
            self.ids[kind] += 3
        self.world.happened(RecordKind.RESUMED, self.now_us, frames=6, bytes=600, started_ns=started_ns)

    def reconnect(self, secs: float) -> None:
        about = {**self.connection(), "cause": "disconnect", "reason": "lost"}
        self.world.happened(RecordKind.DISCONNECT, self.now_us, **about)
        self.wait(secs)
        self.connections += 1
        self.world.happened(RecordKind.CONNECT, self.now_us, **self.connection())

    def answer(self) -> None:
        """The exchange has none of the requested messages."""
        self.world.commit()
        for request in self.world.requests:
            if isinstance(request, TradesRequest):
                first, last = request.first, request.last
                self.world.answered(self.now_us, RepairAnswer("X", "trade", "end", request.series, first, last))
        self.world.requests.clear()

    def be_quiet(self) -> None:
        """Let quiet time pass, with the usual number of checks of open rows."""
        for _ in range(40):
            self.wait(LONG_SECS / 40)
            self.speak()
            self.answer()

    def left_open(self) -> list[tuple[str, str]]:
        self.world.commit()
        rows = self.world.latest().values()
        return [(row.stream_type, row.kind) for row in rows if row.ended_at is None]


STEPS = st.one_of(
    st.tuples(st.just("lose"), st.integers(1, 30)),
    st.tuples(st.just("come_late"), st.integers(0, 100)),
    st.tuples(st.just("wait"), st.sampled_from([0.1, 3.0, 20.0, 70.0, 1_000.0])),
    st.tuples(st.just("refuse"), st.sampled_from([0.1, 30.0])),
    st.tuples(st.just("reconnect"), st.sampled_from([0.1, 30.0])),
    st.tuples(st.sampled_from(["speak", "restart", "conflict", "garbage", "answer"])),
)


@pytest.mark.parametrize("exchange", ["binance", "binance_usdm"])
@pytest.mark.parametrize("repaired", [True, False])
@given(steps=st.lists(STEPS, max_size=25))
def test_no_row_is_left_open_of_a_stream_that_was_quiet_for_long(
    exchange: str,
    steps: list[tuple[Any, ...]],
    *,
    repaired: bool,
) -> None:
    told = LedgerWorld(exchange, repaired=repaired)
    for name, *arguments in steps:
        getattr(told, name)(*arguments)
    told.be_quiet()
    assert told.left_open() == []


@pytest.mark.parametrize("exchange", ["binance", "binance_usdm"])
def test_books_with_more_holes_than_rows_share_one_that_is_closed(exchange: str) -> None:
    told = LedgerWorld(exchange, repaired=True)
    told.lose(100)
    told.be_quiet()
    assert told.left_open() == []
    rows = [gap for _, _, gap in told.world.gaps if gap.stream_type == "book_delta"]
    assert len({row.gap_id for row in rows}) == SINGLE_ROWS + 1
    assert [row.status for row in rows] == ["unrepairable"] * SINGLE_ROWS + ["open", "unrepairable"]


@pytest.mark.parametrize("exchange", ["binance", "binance_usdm"])
def test_a_book_is_requested_after_every_hole_also_in_a_shared_row(exchange: str) -> None:
    told = LedgerWorld(exchange, repaired=True)
    first = told.ids[diff]
    for _ in range(2 * SINGLE_ROWS):
        told.lose(1)
        told.wait(3)
        told.speak()
    told.world.commit()
    asked = {request.from_id for request in told.world.requests if isinstance(request, BookRequest)}
    assert asked == {first, *range(first + 2, told.ids[diff], 3)}


def test_a_stretch_filled_late_is_closed_though_its_series_ends() -> None:
    told = LedgerWorld("binance", repaired=True)
    told.lose(SINGLE_ROWS + 2)
    told.wait(3)
    told.speak()
    while told.missing:
        told.come_late(0)
    told.restart()
    told.wait(1)
    told.speak()
    assert told.left_open() == []
