"""Which child hears of what another one leaves."""

from typing import cast

from collector.supervision.child import Child
from collector.supervision.notice_ways import NoticeWays


class Named:
    """A child that does not run."""

    life = None

    def __init__(self, role: str) -> None:
        self.role = role


def test_what_works_for_one_feed_hears_of_that_feed_alone_and_what_works_for_all_of_each() -> None:
    names = ["ingest:a", "ingest:b", "publish:a", "publish:b", "writer"]
    hops = NoticeWays([cast("Child", Named(name)) for name in names]).hops()
    assert [(sender, receiver) for sender, receiver, _ in hops] == [
        ("ingest:a", "publish:a"),
        ("ingest:a", "writer"),
        ("ingest:b", "publish:b"),
        ("ingest:b", "writer"),
    ]
