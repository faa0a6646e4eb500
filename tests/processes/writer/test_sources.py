"""Two edges with one feed are redundant lines: one archive, each message once, no row where one of them covers."""

from typing import Any, Final

import pytest

from collector.storage.journal.format import PlanShare
from tests.processes.writer.source_world import SourceWorld
from tests.processes.writer.toy_exchange import NAME, Toy, at, frame, message

TYPES: Final = ("book_delta", "liquidation", "trade")
"""Dense ids, no ids, and ids in no order."""

CONNECTED: Final = 0.0


def toy_world(symbols: tuple[str, ...] = ("A",), types: tuple[str, ...] = TYPES) -> SourceWorld:
    exchange = Toy()
    return SourceWorld(NAME, symbols, types, adapter_of=lambda _: exchange)


@pytest.fixture
def world() -> SourceWorld:
    """Two edges that have been connected since second 0."""
    made = toy_world()
    for edge in ("a", "b"):
        made.ingest(edge, f"{edge}1")
        made.connect(edge, 1, at(CONNECTED))
    return made


def bring(
    world: SourceWorld, edge: str | None, second: float, *ids: int, connection: int = 1, symbol: str = "A"
) -> None:
    """Messages of every type with these numbers."""
    frames = [
        frame(message(data_type, None if data_type == "liquidation" else id_, symbol=symbol, sent=at(id_), number=id_))
        for id_ in ids
        for data_type in TYPES
    ]
    world.receive(edge, at(second), frames, connection)


def told(world: SourceWorld, *kinds: str) -> list[tuple[Any, ...]]:
    """The ledger: data type, kind, cause, from which to which second, status; without missing books."""
    found = [
        (gap.stream_type, gap.kind, gap.cause, _second(gap.started_at), _second(gap.ended_at), gap.status)
        for gap in world.latest()
        if gap.kind != "book_unknown" and (not kinds or gap.kind in kinds)
    ]
    return sorted(found)


def _second(at_us: int | None) -> float | None:
    return None if at_us is None else (at_us - at(0)) / 1e6


def numbers(world: SourceWorld) -> dict[str, list[int]]:
    """The stored messages by data type."""
    world.commit()
    found: dict[str, list[int]] = {data_type: [] for data_type in TYPES}
    for payload in world.payloads:
        text = payload.decode()
        found[text.split('"t":"')[1].split('"')[0]].append(int(text.split('"number":')[1].rstrip("}")))
    return found


def each(ids: list[int]) -> dict[str, list[int]]:
    return dict.fromkeys(TYPES, ids)


def test_each_message_is_stored_once_whichever_edge_is_read_first(world: SourceWorld) -> None:
    for id_ in range(1, 40, 2):
        ahead, behind = ("a", "b") if id_ % 3 else ("b", "a")
        bring(world, ahead, id_, id_)
        bring(world, ahead, id_ + 1, id_ + 1)
        bring(world, behind, id_ + 0.2, id_)
        bring(world, behind, id_ + 1.2, id_ + 1)
    assert numbers(world) == each(list(range(1, 41)))
    assert world.processor.counts.duplicates == 40 * len(TYPES)
    assert told(world) == []
    assert {stream.feed for stream in world.streams} == {"f"}
    assert {row[6] for row in world.rows} == {0, 16}


def test_what_one_edge_misses_the_other_brings_without_a_row(world: SourceWorld) -> None:
    for id_ in range(1, 30):
        if id_ % 5:
            bring(world, "a", id_, id_)
        if id_ % 7:
            bring(world, "b", id_ + 0.1, id_)
    for edge in ("a", "b"):
        world.quiet(edge, at(35))
    assert sorted(numbers(world)["book_delta"]) == list(range(1, 30))
    assert sorted(numbers(world)["trade"]) == list(range(1, 30))
    assert told(world) == []


def test_an_edge_that_is_cut_leaves_no_row_while_the_other_one_stands(world: SourceWorld) -> None:
    bring(world, "a", 1, 1)
    bring(world, "b", 1, 1)
    world.disconnect("a", 1, at(2))
    bring(world, "b", 3, 2)
    world.connect("a", 2, at(4))
    bring(world, "a", 5, 3, connection=2)
    bring(world, "b", 5, 3)
    assert numbers(world) == each([1, 2, 3])
    assert told(world) == []


def test_while_no_edge_stands_each_stream_without_provable_continuity_has_one_row(world: SourceWorld) -> None:
    bring(world, "a", 1, 1)
    world.disconnect("a", 1, at(2))
    world.disconnect("b", 1, at(3))
    world.connect("b", 2, at(5))
    world.connect("a", 2, at(6))
    assert told(world) == [
        ("liquidation", "silence", "disconnect", 3, 5, "unrepairable"),
        ("trade", "silence", "disconnect", 3, 5, "unrepairable"),
    ]


def test_a_connection_that_was_dead_before_the_other_edge_was_cut_covers_nothing(world: SourceWorld) -> None:
    bring(world, "a", 1, 1)
    world.disconnect("b", 1, at(10))
    world.connect("b", 2, at(13))
    assert told(world) == []
    world.disconnect("a", 1, at(31), alive_us=at(1))
    assert told(world)[0] == ("liquidation", "silence", "disconnect", 10, 13, "unrepairable")
    bring(world, "b", 32, 2, connection=2)
    world.disconnect("b", 2, at(33))
    world.connect("a", 2, at(34))
    assert told(world)[1] == ("liquidation", "silence", "disconnect", 33, 34, "unrepairable")


def test_ids_that_no_edge_brought_are_a_hole_once_both_have_come_so_far(world: SourceWorld) -> None:
    bring(world, "a", 1, 1)
    bring(world, "b", 1, 1)
    bring(world, "a", 2, 4)
    world.quiet("a", at(20))
    assert told(world, "sequence") == []
    bring(world, "b", 2.1, 3)
    bring(world, "b", 2.2, 4)
    world.quiet("b", at(19))
    assert told(world, "sequence") == [("book_delta", "sequence", "exchange", 1, 2, "open")]
    gap = world.latest("sequence")[0]
    assert (gap.expected_id, gap.actual_id, gap.missing) == ("2", "4", 1)


def test_an_edge_that_is_gone_covers_nothing_and_is_not_waited_for(world: SourceWorld) -> None:
    for edge in ("a", "b"):
        bring(world, edge, 1, 1)
    for second in range(2, 60):
        bring(world, "b", second, second)
    world.disconnect("b", 1, at(60))
    world.connect("b", 2, at(62))
    assert told(world) == [
        ("liquidation", "silence", "disconnect", 60, 62, "unrepairable"),
        ("trade", "silence", "disconnect", 60, 62, "unrepairable"),
    ]


def test_an_edge_that_dies_before_the_other_takes_its_symbols_over_leaves_a_row_with_the_cause_edge() -> None:
    world = toy_world(("A", "B"))
    a, b = PlanShare(0, ("A",), TYPES), PlanShare(0, ("B",), TYPES)
    for edge, share in (("a", a), ("b", b)):
        world.ingest(edge, f"{edge}1", (share,))
        world.connect(edge, 1, at(0))
        bring(world, edge, 1, 1, symbol=share.symbols[0])
    world.ingest("b", "b1", (b, PlanShare(1, ("A",), TYPES)))
    world.connect("b", 2, at(4), plan=1)
    bring(world, "b", 5, 4, connection=2)
    for second in range(6, 60):
        world.quiet("b", at(second))
    assert told(world) == [
        ("book_delta", "sequence", "exchange", 1, 5, "open"),
        ("liquidation", "silence", "edge", 1, 4, "unrepairable"),
        ("trade", "silence", "edge", 1, 4, "unrepairable"),
    ]


def test_an_edge_that_goes_on_after_a_while_has_missed_nothing_that_it_brings() -> None:
    world = toy_world(("A", "B"))
    a, b = PlanShare(0, ("A",), TYPES), PlanShare(0, ("B",), TYPES)
    for edge, share in (("a", a), ("b", b)):
        world.ingest(edge, f"{edge}1", (share,))
        world.connect(edge, 1, at(0))
        bring(world, edge, 1, 1, symbol=share.symbols[0])
    for id_ in range(2, 720):
        bring(world, "b", id_ * 5, id_, symbol="B")
    for second in range(2, 3_600):
        bring(world, "a", second, second)
    assert numbers(world)["liquidation"] == [1, 1, *range(2, 720), *range(2, 3_600)]
    assert told(world) == []


def test_frames_that_one_edge_refuses_are_missing_only_while_the_other_brings_none(world: SourceWorld) -> None:
    bring(world, "a", 1, 1)
    world.refusing("a", at(2))
    world.resumed("a", at(2), at(4))
    assert told(world) == []
    world.refusing("a", at(10))
    world.refusing("b", at(12))
    world.resumed("b", at(12), at(18))
    world.resumed("a", at(10), at(20))
    assert told(world) == [(data_type, "budget", "disk_budget", 12, 18, "unrepairable") for data_type in TYPES]
    assert world.processor.counts.refused == 21


def test_a_new_ingest_of_an_edge_hands_over_only_what_no_other_edge_subscribes() -> None:
    world = toy_world(("A", "B", "C"))
    both = PlanShare(0, ("A", "B"), TYPES)
    for edge in ("a", "b"):
        world.ingest(edge, f"{edge}1", (both, PlanShare(1, ("C",), TYPES)) if edge == "a" else (both,))
        world.connect(edge, 1, at(0))
    world.connect("a", 2, at(0), plan=1)
    for symbol in "ABC":
        bring(world, "a", 1, 1, connection=2 if symbol == "C" else 1, symbol=symbol)
    world.ingest("a", "a2", (PlanShare(0, ("A",), TYPES),), at_us=at(10))
    world.connect("a", 1, at(10))
    for symbol, sources in (("A", {"f@a", "f@b"}), ("B", {"f@b"}), ("C", set())):
        for stream in world.streams:
            if stream.key.symbol == symbol:
                coverage = stream.activity.coverage
                assert set(() if coverage is None else coverage.sources) == sources
    assert told(world) == []


def test_ingest_of_one_edge_restarts_without_a_row_while_the_other_stands(world: SourceWorld) -> None:
    bring(world, "a", 1, 1)
    bring(world, "b", 1, 1)
    world.ingest("a", "a2", at_us=at(5))
    world.connect("a", 1, at(6))
    bring(world, "a", 7, 2)
    bring(world, "b", 7, 2)
    assert numbers(world) == each([1, 2])
    assert told(world) == []


def test_both_ingests_that_die_leave_one_row_with_the_cause_edge(world: SourceWorld) -> None:
    bring(world, "a", 1, 1)
    bring(world, "b", 2, 1)
    world.ingest("a", "a2", at_us=at(5))
    world.ingest("b", "b2", at_us=at(6))
    world.connect("b", 1, at(7))
    world.connect("a", 1, at(8))
    assert told(world) == [
        ("liquidation", "silence", "edge", 2, 7, "unrepairable"),
        ("trade", "silence", "edge", 2, 7, "unrepairable"),
    ]


def test_a_stream_that_one_edge_brings_is_not_silent(world: SourceWorld) -> None:
    for second in range(0, 4_000, 20):
        world.quiet("a", at(second))
        bring(world, "b", second + 1, second // 20 + 1)
    assert told(world) == []
    for second in range(4_000, 5_000, 20):
        world.quiet("a", at(second))
        world.quiet("b", at(second))
    assert [row[:3] for row in told(world)] == [(data_type, "silence", "exchange") for data_type in TYPES]


def test_a_host_that_becomes_a_storage_host_goes_on_with_its_streams() -> None:
    world = toy_world()
    world.ingest(None, "here")
    world.connect(None, 1, at(0))
    bring(world, None, 1, 1)
    world.restart()
    world.ingest("a", "a1", at_us=at(9))
    world.connect("a", 1, at(10))
    bring(world, "a", 11, 1)
    bring(world, "a", 12, 2)
    assert numbers(world)["book_delta"] == [1, 2]
    assert told(world) == [
        ("liquidation", "silence", "restart", 1, 10, "unrepairable"),
        ("trade", "silence", "restart", 1, 10, "unrepairable"),
    ]
    world.ingest(None, "back", at_us=at(20))
    world.connect(None, 1, at(22))
    assert told(world)[0] == ("liquidation", "silence", "edge", 12, 22, "unrepairable")


def test_the_lines_of_one_edge_alone_are_forgotten_when_its_ingest_restarts(world: SourceWorld) -> None:
    for id_ in range(1, 5):
        for edge in ("a", "b"):
            bring(world, edge, id_, id_)
    places = {key.data_type: stream.dedup.progress.lines.places for stream in world.streams for key in (stream.key,)}
    assert places["book_delta"].keys() == {0, 16}
    world.ingest("b", "b2", at_us=at(9))
    world.quiet("b", at(9))
    stream = next(stream for stream in world.streams if stream.key.data_type == "book_delta")
    assert stream.dedup.progress.lines.places.keys() == {0}
