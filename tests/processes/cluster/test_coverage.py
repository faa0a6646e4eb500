"""Which symbols fewer or more edges receive than are to, as every host can work it out."""

from collector.domain.sharing import Share, alone
from collector.processes.cluster.coverage import MOST_NAMED, coverage
from tests.processes.cluster.rules import member, view

SYMBOLS = {"f": [f"S{number:04}" for number in range(300)]}
BOTH = view("a", "b")


def test_with_everybody_complete_each_symbol_is_covered() -> None:
    members = {name: member(Share(name, BOTH)) for name in "ab"}
    assert coverage(SYMBOLS, members, 1) == ([], 0, [], 0)


def test_what_the_edge_that_is_gone_had_is_uncovered_until_the_other_brings_it() -> None:
    waiting = member(Share("a", view("a")), complete=False, before=BOTH)
    found = coverage(SYMBOLS, {"a": waiting}, 1)
    gone = [symbol for symbol in SYMBOLS["f"] if BOTH.owners("f", symbol) == ("b",)]
    assert found.uncovered_count == len(gone)
    assert found.uncovered == [("f", symbol) for symbol in gone[:MOST_NAMED]]
    assert coverage(SYMBOLS, {"a": member(Share("a", view("a")))}, 1).uncovered_count == 0


def test_what_is_held_until_another_brings_it_is_overcovered_then() -> None:
    holding = member(Share("a", BOTH, held=(alone("a"),)))
    found = coverage(SYMBOLS, {"a": holding, "b": member(Share("b", BOTH))}, 1)
    assert (found.uncovered_count, found.overcovered_count) == (
        0, sum(BOTH.owners("f", symbol) == ("b",) for symbol in SYMBOLS["f"]),
    )  # fmt: skip


def test_without_copies_each_symbol_is_to_come_from_every_edge() -> None:
    members = {name: member(Share(name, view("a", "b", copies=0)), copies=0) for name in "ab"}
    assert coverage(SYMBOLS, members, 0) == ([], 0, [], 0)
    silent = {**members, "b": member(Share("b", view("a", "b", copies=0)), complete=False)}
    assert coverage(SYMBOLS, silent, 0).uncovered_count == 300


def test_without_any_edge_everything_is_uncovered() -> None:
    found = coverage(SYMBOLS, {}, 0)
    assert (found.uncovered_count, len(found.uncovered)) == (300, MOST_NAMED)
