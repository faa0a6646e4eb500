"""What hosts tell each other is small, and what cannot be read is told from what can."""

import pytest

from collector.domain.errors import DamagedError
from collector.domain.sharing import Share
from collector.processes.cluster.values import HostValue, Member, decode, encode
from tests.processes.cluster.rules import member, view


def test_a_sign_of_life_is_a_few_kilobytes_however_many_symbols_there_are() -> None:
    names = [f"edge-{number}.frankfurt.example" for number in range(8)]
    held = tuple(view(*names[:count]) for count in (5, 6, 7))
    share = Share(names[0], view(*names), held=held, ready=tuple(names[1:]), whole=("f",))
    feeds = {f"feed-{number}": "0123456789abcdef" for number in range(20)}
    value = encode(member(share, before=view(*names), feeds=feeds))
    assert len(value) < 3_000
    assert decode(value, Member) == member(share, before=view(*names), feeds=feeds)


def test_an_edge_is_ready_for_a_view_only_with_all_its_feeds() -> None:
    both = view("a", "b")
    assert member(Share("a", both)).is_ready_for(both)
    assert not member(Share("a", both), complete=False).is_ready_for(both)
    assert not member(Share("a", both)).is_ready_for(view("a", "b", "c"))
    assert not member().is_ready_for(both)


@pytest.mark.parametrize("value", [b"", b"{", b"[]", b"\xff"])
def test_a_value_that_cannot_be_read_is_damaged(value: bytes) -> None:
    for kind in (Member, HostValue):
        with pytest.raises(DamagedError):
            decode(value, kind)
