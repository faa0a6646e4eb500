"""An edge that comes back after an hour doubles nothing, and loses nothing that it alone received."""

from typing import Final

import pytest

from tests.processes.writer.source_world import SourceWorld
from tests.processes.writer.test_sources import bring, numbers, told, toy_world
from tests.processes.writer.toy_exchange import NAME, Toy, at, frame, message

HOUR: Final = 3_600


@pytest.fixture
def world() -> SourceWorld:
    """Edge a is cut off after second 10; edge b goes on."""
    made = toy_world()
    for edge in ("a", "b"):
        made.ingest(edge, f"{edge}1")
        made.connect(edge, 1, at(0))
    for second in range(1, 11):
        for edge in ("a", "b"):
            bring(made, edge, second, second)
    return made


def each(ids: range) -> dict[str, list[int]]:
    return {data_type: list(ids) for data_type in ("book_delta", "liquidation", "trade")}


def both_go_on(world: SourceWorld, since: int) -> None:
    for second in range(since, since + 20):
        for edge in ("a", "b"):
            bring(world, edge, second, second)


@pytest.mark.parametrize("restarts", [False, True])
def test_an_edge_that_comes_back_after_an_hour_doubles_nothing(world: SourceWorld, restarts: bool) -> None:
    for second in range(11, HOUR):
        bring(world, "b", second, second)
    for second in range(11, HOUR):
        bring(world, "a", second, second)
        if restarts and second % 500 == 0:
            world.restart()
    both_go_on(world, HOUR)
    assert numbers(world) == each(range(1, HOUR + 20))
    assert told(world) == []
    assert world.processor.counts.late == 0


@pytest.mark.parametrize("restarts", [False, True])
def test_what_only_the_late_edge_received_in_an_outage_is_stored_and_repairs_its_row(
    world: SourceWorld, restarts: bool
) -> None:
    for second in range(11, 1_000):
        bring(world, "b", second, second)
    world.disconnect("b", 1, at(999.5))
    world.connect("b", 2, at(1_999.5))
    for second in range(2_000, HOUR):
        bring(world, "b", second, second, connection=2)
    assert told(world) == [
        ("book_delta", "sequence", "disconnect", 999, 2_000, "open"),
        ("liquidation", "silence", "disconnect", 999.5, 1_999.5, "unrepairable"),
        ("trade", "silence", "disconnect", 999.5, 1_999.5, "unrepairable"),
    ]
    for second in range(11, HOUR):
        bring(world, "a", second, second)
        if restarts and second % 500 == 0:
            world.restart()
    for second in range(HOUR, HOUR + 20):
        bring(world, "a", second, second)
        bring(world, "b", second, second, connection=2)
    found = numbers(world)
    assert {data_type: sorted(ids) for data_type, ids in found.items()} == each(range(1, HOUR + 20))
    assert [row[1:] for row in told(world)] == [
        ("sequence", "disconnect", 999, 2_000, "repaired"),
        ("silence", "disconnect", 999.5, 1_999.5, "repaired"),
        ("silence", "disconnect", 999.5, 1_999.5, "repaired"),
    ]
    assert {gap.repaired_by for gap in world.latest()} >= {"late"}
    assert world.processor.counts.late == 3 * 1_000
    times = {row[4] for row in world.rows if row[6] == 0 and row[4] > at(11)}
    assert {at(second) for second in range(1_000, 2_000)} <= times


def test_a_message_at_the_border_of_an_outage_is_stored_once_whichever_edge_was_faster(world: SourceWorld) -> None:
    for second in range(11, 100):
        bring(world, "b", second, second)
    world.disconnect("b", 1, at(99.4))
    world.connect("b", 2, at(199.4))
    for second in range(200, 400):
        bring(world, "b", second, second, connection=2)
    for second in range(11, 400):
        bring(world, "a", second + (0.9 if second < 150 else -0.9), second)
    found = numbers(world)
    assert {data_type: sorted(ids) for data_type, ids in found.items()} == each(range(1, 400))


def test_an_outage_that_the_late_edge_covered_in_part_is_partly_repaired(world: SourceWorld) -> None:
    for second in range(11, 100):
        bring(world, "b", second, second)
    world.disconnect("b", 1, at(99.5))
    world.connect("b", 2, at(199.5))
    for second in range(200, 400):
        bring(world, "b", second, second, connection=2)
    for second in range(11, 150):
        bring(world, "a", second, second)
    world.disconnect("a", 1, at(149.5))
    world.connect("a", 2, at(249.5))
    for second in range(250, 420):
        bring(world, "a", second, second, connection=2)
    assert [row for row in told(world) if row[0] == "trade"] == [
        ("trade", "silence", "disconnect", 99.5, 199.5, "partly_repaired"),
    ]
    assert sorted(numbers(world)["trade"]) == [*range(1, 150), *range(200, 420)]


def test_an_edge_whose_connection_was_renewed_while_it_was_away_doubles_nothing(world: SourceWorld) -> None:
    """Messages without ids are compared by connection."""
    for second in range(11, 300):
        bring(world, "b", second, second)
    bring(world, "a", 20, *range(11, 21))
    world.disconnect("a", 1, at(20.5))
    world.connect("a", 2, at(21))
    for second in range(22, 300):
        bring(world, "a", second, second, connection=2)
    assert numbers(world)["liquidation"] == list(range(1, 300))
    assert told(world) == []


def test_ids_that_only_rise_are_stored_between_those_on_both_sides_of_an_outage() -> None:
    exchange = Toy()
    world = SourceWorld(NAME, ("A",), ("book_snapshot",), adapter_of=lambda _: exchange)
    for edge in ("a", "b"):
        world.ingest(edge, f"{edge}1")
        world.connect(edge, 1, at(0))

    def book(edge: str, second: int, connection: int = 1) -> None:
        world.receive(edge, at(second), [frame(message("book_snapshot", second * 7, sent=at(second)))], connection)

    for second in range(1, 100):
        book("b", second)
        if second < 10:
            book("a", second)
    world.disconnect("b", 1, at(99.5))
    world.connect("b", 2, at(149.5))
    for second in range(150, 300):
        book("b", second, 2)
    for second in range(10, 300):
        book("a", second)
    world.commit()
    assert sorted(row[3] for row in world.rows) == [second * 7 for second in range(1, 300)]


def test_frames_that_cannot_be_read_are_not_doubled_either(world: SourceWorld) -> None:
    for edge in ("b", "a"):
        world.receive(edge, at(11), [b"{"])
    for second in range(12, 200):
        world.receive("b", at(second), [b"{%d" % second])
    for second in range(12, 200):
        world.receive("a", at(second), [b"{%d" % second])
    world.commit()
    assert (
        sum(
            payload.startswith(b"{") and b"messages" not in payload and b'"t"' not in payload
            for payload in world.payloads
        )
        == 189
    )


def test_a_lost_part_of_an_edges_journal_leaves_a_row_only_where_no_other_edge_covers(world: SourceWorld) -> None:
    world.lost("a", at(20))
    assert told(world) == []
    world.disconnect("b", 1, at(30))
    world.lost("a", at(40))
    assert [row[1:] for row in told(world, "damaged")] == [("damaged", "edge", 20, 40, "unrepairable")]


@pytest.mark.parametrize(("next_", "until"), [(1, 40), (2, 60)])
def test_a_connection_whose_end_may_be_lost_covers_again_only_with_its_next_frames(
    world: SourceWorld, next_: int, until: int
) -> None:
    world.disconnect("b", 1, at(15))
    bring(world, "a", 16, 1016)
    world.restart()
    world.lost("a", at(40), next_)
    if next_ != 1:
        world.connect("a", next_, at(60))
    bring(world, "a", 61, 1061, connection=next_)
    assert told(world, "silence") == [
        (data_type, "silence", "edge", 16, until, "unrepairable") for data_type in ("liquidation", "trade")
    ]
    assert numbers(world)["trade"][-2:] == [1016, 1061]


@pytest.mark.parametrize("restarts", [False, True])
def test_an_edge_that_was_never_seen_and_brings_an_hour_doubles_nothing(restarts: bool) -> None:
    world = toy_world()
    world.ingest("b", "b1")
    world.connect("b", 1, at(0))
    for second in range(1, 1_000):
        bring(world, "b", second, second)
    world.disconnect("b", 1, at(999.5))
    world.connect("b", 2, at(1_999.5))
    for second in range(2_000, HOUR):
        bring(world, "b", second, second, connection=2)
    world.ingest("new", "n1")
    world.connect("new", 1, at(0.5))
    for second in range(1, HOUR):
        bring(world, "new", second - 0.2, second)
        if restarts and second % 500 == 0:
            world.restart()
    for second in range(HOUR, HOUR + 20):
        bring(world, "b", second, second, connection=2)
        bring(world, "new", second - 0.2, second)
    assert {data_type: sorted(ids) for data_type, ids in numbers(world).items()} == each(range(1, HOUR + 20))
    assert {row[-1] for row in told(world)} == {"repaired"}
