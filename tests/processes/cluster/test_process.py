"""Hosts share the symbols out through a real NATS server, whoever comes, goes, dies or is cut off."""

import time
from pathlib import Path

from collector.bus.names import MEMBERS
from collector.domain.records import StreamKey
from collector.domain.repair_protocol import BookRequest
from collector.domain.symbol_choice import Choice
from collector.processes.cluster.values import Member, decode
from collector.stats_files import StatsFile
from collector.storage.chosen_files import read_choice, write_choice
from collector.storage.request_files import RequestFolder, read_request, request_folder
from tests.bus.servers import NatsServer, bus_at, run, until
from tests.processes.cluster.conftest import Start
from tests.processes.cluster.hosts import SYMBOLS, Host
from tests.processes.ingest.ingest_harness import wait_for

HOSTS = (("a", "edge"), ("b", "edge"), ("storage", "storage"))


def share_all(*edges: Host) -> bool:
    """Whether each symbol is recorded by exactly one of these edges, which know each other."""
    names = tuple(edge.name for edge in edges)
    recorded = sorted(symbol for edge in edges for symbol in edge.symbols())
    return all(edge.has_only(*names) for edge in edges) and recorded == list(SYMBOLS)


def test_two_edges_and_the_storage_host_see_each_other_and_share_all_symbols(start: Start, tmp_path: Path) -> None:
    a, b, storage = start("a"), start("b"), start("storage", role="storage")
    health = {"run_id": "run-a", "healthy": False, "reasons": [{"code": "disk", "text": "full", "since": "x"}]}
    StatsFile(tmp_path / "a/run/health.json").write(health)
    wait_for(lambda: share_all(a, b))
    assert a.symbols()
    assert b.symbols()
    for host in (a, b, storage):
        wait_for(lambda host=host: [each.host for each in host.report.hosts] == ["a", "b", "storage"])  # type: ignore[misc]
        wait_for(lambda host=host: host.report.hosts[0].reasons == [("disk", "full")])  # type: ignore[misc]
        wait_for(lambda host=host: host.report.members == ["a", "b"] and host.report.uncovered_count == 0)  # type: ignore[misc]
        assert [each.role for each in host.report.hosts] == ["edge", "edge", "storage"]
        assert all(each.is_alive for each in host.report.hosts)
        wait_for(lambda host=host: host.report.overcovered_count == 0)  # type: ignore[misc]
        assert (host.report.copies, host.report.trouble) == (1, "")
    assert storage.share is None


def test_a_dead_edge_is_replaced_and_gives_way_only_when_it_brings_its_symbols_again(start: Start) -> None:
    a, b, storage = start("a"), start("b"), start("storage", role="storage")
    wait_for(lambda: share_all(a, b) and not storage.report.uncovered_count and storage.report.members == ["a", "b"])
    b.stop(says_so=False)
    wait_for(lambda: a.symbols() == set(SYMBOLS))
    wait_for(lambda: storage.report.members == ["a"] and not storage.report.uncovered_count)
    wait_for(lambda: [each.host for each in storage.report.hosts if not each.is_alive] == ["b"])
    b.follows = False
    number = b.share.number if b.share else 0
    (b.config.data_dir / "run/stats/ingest:f.json").unlink()
    b.start()
    wait_for(lambda: storage.report.members == ["a", "b"] and a.report.is_moving)
    time.sleep(2 * a.config.share.dead_secs)  # longer than everything is held anyway
    assert a.symbols() == set(SYMBOLS)
    assert b.share is not None
    assert b.share.number >= number
    b.follows = True
    wait_for(lambda: share_all(a, b))
    assert storage.report.changes == 2


def test_an_edge_that_leaves_in_order_says_so_and_is_replaced(start: Start, server: NatsServer) -> None:
    a, b = start("a"), start("b")
    wait_for(lambda: share_all(a, b))
    b.stop()
    wait_for(lambda: a.symbols() == set(SYMBOLS))

    async def told() -> Member:
        async with bus_at(server.url) as bus:
            await until(lambda: bus.is_connected)
            entry = await bus.get(MEMBERS, "b")
            assert entry is not None
            return decode(entry.value, Member)

    assert run(told()).leaving
    b.start()
    wait_for(lambda: share_all(a, b))


def test_without_servers_nothing_changes_and_everybody_is_still_there_after(start: Start, server: NatsServer) -> None:
    a, b = start("a", dead_secs=0.6), start("b", dead_secs=0.6)
    wait_for(lambda: share_all(a, b))
    shares = a.share, b.share
    server.kill()
    wait_for(lambda: not a.report.has_quorum and not b.report.is_connected)
    time.sleep(0.6 + a.config.share.dead_secs)
    assert (a.share, b.share) == shares
    server.delete_store()
    server.start()
    wait_for(lambda: a.report.has_quorum and b.report.has_quorum)
    time.sleep(0.6 + a.config.share.dead_secs)
    assert (a.share, b.share) == shares
    assert a.report.changes == b.report.changes == 0
    assert [event for host in (a, b) for event in host.events if event["event"] == "members_changed"] == []


def test_storage_learns_what_edges_chose_and_edges_what_books_to_subscribe_again(start: Start, tmp_path: Path) -> None:
    write_choice(tmp_path / "a", "f", Choice(("S01USDT", "S02USDT")))
    write_choice(tmp_path / "b", "f", Choice(("S02USDT", "S03USDT", "OTHER")))
    a, b, storage = (start(name, symbols=("*USDT",), role=role) for name, role in HOSTS)
    wait_for(lambda: (found := read_choice(tmp_path / "storage", "f")) and found.symbols == SYMBOLS[1:4])
    wait_for(lambda: a.has_only("a", "b") and b.has_only("a", "b"))
    asked = [BookRequest(StreamKey("kraken", symbol, "book_delta"), 0, 1, 2) for symbol in SYMBOLS]
    RequestFolder(request_folder(tmp_path / "storage", "f~books")).put(asked)

    def requests(host: Host) -> set[str]:
        paths = request_folder(tmp_path / host.name, "f~books").glob("*.request")
        return {read_request(path).stream.symbol for path in paths}

    for edge in (a, b):
        wait_for(lambda edge=edge: requests(edge) == edge.symbols())  # type: ignore[misc]
    wait_for(lambda: requests(storage) == set())


def test_an_added_edge_gets_its_share_from_both(start: Start) -> None:
    a, b = start("a"), start("b")
    wait_for(lambda: share_all(a, b))
    before = a.symbols(), b.symbols()
    c = start("c")
    wait_for(lambda: share_all(a, b, c))
    assert a.symbols() <= before[0]
    assert b.symbols() <= before[1]
    assert c.symbols() & before[0]
    assert c.symbols() & before[1]


def test_edges_that_want_different_copies_say_so_and_make_the_most(start: Start) -> None:
    a, b = start("a", copies=1), start("b", copies=0)
    wait_for(lambda: a.report.members == b.report.members == ["a", "b"])
    wait_for(
        lambda: (
            a.report.trouble
            == b.report.trouble
            == "share.copies differs (a 1, b 0): each symbol is recorded by all of them"
        )
    )
    wait_for(lambda: a.has_only("a", "b"))
    assert a.symbols() == b.symbols() == set(SYMBOLS)
    assert a.report.copies == 0
