import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from websockets.frames import Opcode

from collector.channel.bell import RingingEvent
from collector.config import FeedConfig, IngestConfig, JournalConfig
from collector.config.model import SilenceConfig
from collector.domain.retry import BAN_SECS
from collector.exchanges.adapter import ConnectionPlan
from collector.feed.connection import open_connection
from collector.feed.connection_limit import ConnectionBudget
from collector.feed.connection_queue import LOOK_AGAIN_SECS, Asker
from collector.feed.live_slots import LiveSlots
from collector.processes.context import SystemClock
from collector.processes.ingest.books_at_once import BooksAtOnce
from collector.processes.ingest.carried_plan import CarriedPlan
from collector.processes.ingest.feed_context import CounterSet, FeedContext
from collector.processes.ingest.feed_lines import FeedLines
from collector.processes.ingest.first_data import FirstDataWatch
from collector.processes.ingest.fresh_books import FreshBooks
from collector.processes.ingest.journal_gate import JournalGate
from collector.processes.ingest.line_lag import LineLags
from collector.processes.ingest.line_reader import LineReader
from collector.processes.ingest.line_readers import LineReaders
from collector.processes.ingest.line_silence import LineSilence, TrialSchedule
from collector.processes.ingest.questions import Questions
from collector.processes.worker_threads import WorkerThreads
from collector.reports import LineReport
from collector.storage.journal.format import FeedIdentity, RecordKind
from collector.storage.journal.writer import JournalWriter
from collector.storage.request_files import RequestFolder
from tests.feed.servers import Server, wire
from tests.processes.ingest.ingest_harness import LIMITS, PlainAdapter, capturing_log, records_of, wait_for


class Line:
    """One reader, whose pauses take no time and are written down; `random` is always 1."""

    def __init__(
        self,
        folder: Path,
        url: str,
        connections: int = 1_000,
        stale_timeout_secs: float = 30.0,
        number: int = 0,
        hosts: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self.stop = RingingEvent()
        self.pauses: list[float] = []
        self.log, self.logged = capturing_log()
        clock = SystemClock()
        self.ledger = folder / "connections.json"
        self.budget = ConnectionBudget(self.ledger, connections, 300, clock.now_ns)
        self.journal = JournalWriter(folder, FeedIdentity("f", "e", (), ()), 1, 1 << 20, clock.now_ns)
        self.counters = CounterSet()
        adapter = PlainAdapter(limits=LIMITS)
        feed_context = FeedContext(
            adapter=adapter,
            config=IngestConfig(stale_timeout_secs=stale_timeout_secs),
            budget=self.budget,
            slots=LiveSlots(folder, None),
            questions=Questions(adapter, FeedConfig(), folder, clock),
            hosts=hosts,
            gate=JournalGate(self.journal, JournalConfig(), clock.now_ns, self.log),
            clock=clock,
            log=self.log,
            random=lambda: 1.0,
            connect=open_connection,
            stop=self.stop,
            pause=self._pause,
            connection_numbers=itertools.count(1),
            counters=self.counters,
            first_data=FirstDataWatch({0: ConnectionPlan(url, (), ())}, 60.0),
            fresh_books=FreshBooks(folder / "books", folder / "aside", self.log),
            books_at_once=BooksAtOnce(adapter, None, RequestFolder(folder / "requests"), self.stop.set, self.log),
            lags=LineLags(),
            checkpoint_secs=3_600.0,
        )
        self.context = feed_context
        self.readers = LineReaders(WorkerThreads())
        silence = LineSilence((), SilenceConfig().bounds, TrialSchedule(60.0, 300.0, 14_400.0, lambda: 1.0))
        self.readers.start(
            LineReader(
                feed_context,
                CarriedPlan(ConnectionPlan(url, (), ())),
                LineReport(line=number, plan=0, streams=1),
                silence,
                self.readers.start,
            )
        )

    def delays(self) -> list[float]:
        """The pauses but the first, which every reader begins with."""
        return self.pauses[1:]

    def _pause(self, secs: float) -> bool:
        self.pauses.append(secs)
        return self.stop.is_set()


Begin = Callable[..., Line]


@pytest.fixture
def begin(tmp_path: Path, server: Server) -> Iterator[Begin]:
    begun: list[Line] = []

    def begin(connections: int = 1_000, stale_timeout_secs: float = 30.0, **about: Any) -> Line:
        begun.append(Line(tmp_path, server.url, connections, stale_timeout_secs, **about))
        return begun[-1]

    yield begin
    for line in begun:
        line.stop.set()
        server.close()
        assert line.readers.join(60, time.monotonic) == 0
        line.journal.close()


def test_failed_handshakes_are_retried_after_doubling_delays(begin: Begin, server: Server) -> None:
    line = begin()
    for _ in range(9):
        server.refuse("503 Service Unavailable")
    wait_for(lambda: len(line.delays()) >= 9)

    assert line.delays()[:9] == [5, 10, 20, 40, 80, 160, 300, 300, 300]
    assert line.logged[0] == {
        "event": "connect_failed",
        "log_level": "warning",
        "line": 0,
        "error": "HTTP 503 Service Unavailable",
        "retry_secs": 5.0,
    }


def test_a_connection_without_data_does_not_shorten_the_delay(begin: Begin, server: Server) -> None:
    line = begin()
    for _ in range(3):
        server.accept(wire(b"ack"), wire(b"heartbeat"), wire(b"noise")).hang_up()
    wait_for(lambda: len(line.delays()) >= 3)

    assert line.delays()[:3] == [5, 10, 20]


def test_data_brings_the_delay_back_to_its_base(begin: Begin, server: Server) -> None:
    line = begin()
    for _ in range(3):
        server.accept().hang_up()
    server.accept(wire(b"data")).hang_up()
    server.accept().hang_up()
    wait_for(lambda: len(line.delays()) >= 5)

    assert line.delays()[:5] == [5, 10, 20, 5, 10]


def test_a_connection_that_answered_long_enough_resets_the_delay(begin: Begin, server: Server) -> None:
    line = begin(stale_timeout_secs=0.2)
    for _ in range(3):
        server.accept().hang_up()
    peer = server.accept()
    for _ in range(3):
        peer.send(wire(peer.receive().data, Opcode.PONG))
    peer.hang_up()
    server.accept().hang_up()
    wait_for(lambda: len(line.delays()) >= 5)

    assert line.delays()[:5] == [5, 10, 20, 5, 10]


def test_retry_after_counts_when_it_is_longer(begin: Begin, server: Server) -> None:
    line = begin()
    server.refuse("503 Service Unavailable", ["Retry-After: 77"])
    server.refuse("503 Service Unavailable", ["Retry-After: 3"])
    server.refuse("503 Service Unavailable", ["Retry-After: no idea"])
    wait_for(lambda: len(line.delays()) >= 3)

    assert line.delays()[:3] == [77, 10, 20]


@pytest.mark.parametrize("status", ["429 Too Many Requests", "418 I'm a teapot"])
def test_a_ban_of_this_address_is_shared_with_every_feed(begin: Begin, server: Server, status: str) -> None:
    line = begin()
    server.refuse(status, ["Retry-After: 120"])
    wait_for(lambda: len(line.delays()) >= 1)

    assert line.delays()[0] == 120
    line.stop.set()
    assert line.readers.join(60, time.monotonic) == 0
    other_feed = ConnectionBudget(line.ledger, 1_000, 300, time.time_ns)
    assert 110 < other_feed.take(Asker("other", False, 0, 1)) <= 120


def test_bans_without_a_time_grow_until_data_comes(
    begin: Begin, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ConnectionBudget, "take", lambda _budget, _asker: 0.0)  # it would wait, and the test with it
    line = begin()
    server.refuse("429 Too Many Requests")
    server.refuse("418 I'm a teapot", ["Retry-After: 0"])
    server.accept(wire(b"data")).hang_up()
    server.refuse("429 Too Many Requests")
    wait_for(lambda: len(line.delays()) >= 4)

    bans = [entry["retry_secs"] for entry in line.logged if entry["event"] == "connect_failed"]
    assert bans[:3] == [BAN_SECS, 2 * BAN_SECS, BAN_SECS]


def test_only_a_ban_exceeds_the_longest_delay(begin: Begin, server: Server) -> None:
    line = begin()
    server.refuse("503 Service Unavailable", ["Retry-After: 86400"])
    server.refuse("403 Forbidden", ["Retry-After: Fri, 31 Dec 9999 23:59:59 GMT"])
    server.refuse("429 Too Many Requests", ["Retry-After: 86400"])
    wait_for(lambda: len(line.delays()) >= 3)

    assert line.delays()[:3] == [300, 300, 86400]


def test_a_ban_that_cannot_be_shared_is_kept_by_its_own_reader(begin: Begin, server: Server) -> None:
    line = begin()
    sock, _ = server.accept_silently()
    line.ledger.unlink()
    line.ledger.mkdir()
    sock.sendall(b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 120\r\n\r\n")
    wait_for(lambda: len(line.delays()) >= 1)

    assert line.delays()[0] == 120
    assert [entry["event"] for entry in line.logged][:2] == ["budget_not_shared", "connect_failed"]


def test_an_attempt_beyond_the_budget_waits(begin: Begin, server: Server) -> None:
    line = begin(connections=1)
    server.refuse("503 Service Unavailable")
    wait_for(lambda: len(line.delays()) >= 2)

    assert line.delays()[0] == 5
    assert line.delays()[1] == LOOK_AGAIN_SECS, "it asks again, for others may have given up"


def test_a_budget_file_that_cannot_be_written_is_a_failed_attempt(begin: Begin, server: Server, tmp_path: Path) -> None:
    (tmp_path / "connections.json").mkdir()
    line = begin()
    wait_for(lambda: len(line.delays()) >= 2)

    assert line.delays()[:2] == [5, 10]
    assert "connections.json" in line.logged[0]["error"]


def test_a_shutdown_right_after_the_connect_delays_the_renewal(begin: Begin, server: Server) -> None:
    line = begin()
    server.accept(wire(b"data"), wire(b"shutdown"))
    server.accept(wire(b"data"))
    wait_for(lambda: len(records_of(line.folder)) >= 4)

    assert line.pauses == [0.0, 5.0]


def test_a_replaced_reader_does_not_connect_again(begin: Begin, server: Server) -> None:
    line = begin()
    old = server.accept(wire(b"data"), wire(b"shutdown"))
    server.accept(wire(b"data"))
    old.receive()
    old.hang_up()
    wait_for(lambda: any(record.kind is RecordKind.DISCONNECT for record in records_of(line.folder)))
    wait_for(lambda: len(line.readers.states()) == 1)

    assert line.counters["reconnects"] == 0
    assert [state.connection for state in line.readers.states()] == [2]


def test_a_second_line_connects_to_another_host(begin: Begin, server: Server) -> None:
    with closing(Server()) as other:
        line = begin(number=1, hosts=(server.url, other.url))
        other.accept(wire(b"data"))
        wait_for(lambda: line.readers.states()[0].state == "open")
        assert line.pauses == [0.0]


def test_a_second_line_whose_host_refuses_it_connects_to_the_usual_one_and_stays_there(
    begin: Begin, server: Server
) -> None:
    with closing(Server()) as other:
        line = begin(number=1, hosts=(server.url, other.url))
        other.refuse("451 Unavailable For Legal Reasons")
        server.accept(wire(b"data")).hang_up()
        server.accept(wire(b"data"))
        wait_for(lambda: len(line.delays()) == 2)


def test_the_first_line_connects_to_the_usual_host_whatever_happens(begin: Begin, server: Server) -> None:
    with closing(Server()) as other:
        line = begin(hosts=(server.url, other.url))
        for _ in range(3):
            server.refuse("503 Service Unavailable")
        server.accept(wire(b"data"))
        wait_for(lambda: line.readers.states()[0].state == "open")


def test_lines_connect_apart_so_that_one_is_back_before_the_next_is_cut(tmp_path: Path, server: Server) -> None:
    line = Line(tmp_path, server.url)
    server.accept(wire(b"data"))
    line.stop.set()
    assert line.readers.join(60, time.monotonic) == 0
    line.pauses.clear()
    plans = {0: ConnectionPlan(server.url, (), ()), 1: ConnectionPlan(server.url, (), ())}
    FeedLines(line.context, FeedConfig(lines=3), plans, SilenceConfig().bounds, line.readers).start_missing()
    assert line.readers.join(60, time.monotonic) == 0
    line.journal.close()
    assert sorted(line.pauses) == [0.0, 0.0, 10.0, 10.0, 20.0, 20.0]
    assert min(line.pauses[2:]) > IngestConfig().reconnect_base_delay_secs
