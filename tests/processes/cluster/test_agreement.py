"""Edges that go by different settings record rather twice than not at all."""

from collector.processes.cluster.agreement import REFRESHES, Choices, agreed_copies, copies_trouble
from tests.processes.cluster.rules import member


def test_the_most_copies_that_any_edge_wants_are_made() -> None:
    assert agreed_copies({"a": member(copies=1), "b": member(copies=3)}) == 3
    assert agreed_copies({"a": member(copies=2), "b": member(copies=0)}) == 0
    assert agreed_copies({"a": member(copies=2), "b": member(copies=2)}) == 2


def test_edges_that_want_different_copies_are_named() -> None:
    assert copies_trouble({"a": member(copies=2), "b": member(copies=2)}) == ""
    assert copies_trouble({"b": member(copies=1), "a": member(copies=2)}) == (
        "share.copies differs (a 2, b 1): each symbol is recorded by 2 of them"
    )
    assert copies_trouble({"a": member(copies=2), "b": member(copies=0)}).endswith("recorded by all of them")


def test_a_feed_that_another_edge_does_not_have_is_not_shared_with_it() -> None:
    choices = Choices("a", 300.0)
    assert choices.unlike({"a": member(feeds={"f": "x", "g": "y"}), "b": member()}, 0.0) == {"g"}


def test_lists_of_different_age_may_differ_for_a_while() -> None:
    choices, members = Choices("a", 300.0), {"a": member(feeds={"f": "x"}), "b": member(feeds={"f": "y"})}
    assert choices.unlike(members, 10.0) == frozenset()
    assert choices.unlike(members, 10.0 + REFRESHES * 300.0) == {"f"}
    assert choices.unlike({"a": member(), "b": member()}, 1_000.0) == frozenset()
    assert choices.unlike(members, 1_001.0) == frozenset(), "the time begins anew"
