"""Who is asked for a whole book: repair over REST, ingest by subscribing again, or nobody."""

from collections.abc import Sequence

import pytest

from collector.domain.records import StreamKey
from collector.domain.repair_protocol import BookRequest
from collector.domain.repair_protocol import Request as RepairRequest
from collector.exchanges.adapter import Adapter, Request
from collector.exchanges.registry import adapter
from collector.exchanges.rest_adapter import RestLimits
from collector.exchanges.rest_market import RestMarket
from collector.processes.rest_adapters import RepairableFeeds
from tests.processes.writer.processor_world import ProcessorWorld
from tests.processes.writer.toy_exchange import NAME, Toy, at, snapshot, update

BOOK = StreamKey(NAME, "A", "book_delta")


class SpeakingRest(RestMarket):
    """Has no books."""

    limits = RestLimits("http://nowhere", NAME, 1, 1.0)


class Speaking(Toy):
    """Sends books to whoever subscribes again, and not over REST."""

    rest = SpeakingRest()
    opens_with_books = True

    def again(self, keys: Sequence[StreamKey]) -> tuple[Request, ...]:
        return tuple(Request(f"again {key.symbol}") for key in keys)


def feeds(exchange: Adapter, symbol: str, *, repaired: bool = True) -> tuple[RepairableFeeds, StreamKey]:
    key = StreamKey(exchange.exchange, symbol, "book_delta")
    adapters = {"f": exchange.rest} if repaired and exchange.rest is not None else {}
    return RepairableFeeds({key: "f"}, adapters, {"f": exchange}), key


@pytest.mark.parametrize("repaired", [True, False])
def test_a_book_that_rest_does_not_have_is_asked_for_by_subscribing_again(*, repaired: bool) -> None:
    found, key = feeds(Speaking(), "A", repaired=repaired)

    assert found.folder_of_book(key) == "f~books"
    assert found.folder_of_book(key._replace(data_type="trade")) is None
    assert found.folder_of_book(key._replace(symbol="B")) is None


def test_a_book_that_rest_has_is_fetched_there_or_not_at_all() -> None:
    found, key = feeds(adapter("binance"), "BTCUSDT")
    without, _ = feeds(adapter("binance"), "BTCUSDT", repaired=False)

    assert found.folder_of_book(key) == "f"
    assert without.folder_of_book(key) is None


def test_nobody_is_asked_where_subscribing_again_brings_nothing() -> None:
    found, key = feeds(Toy(), "A")

    assert found.folder_of_book(key) is None


class Feed(ProcessorWorld):
    """A connection with the book of one symbol."""

    def __init__(self) -> None:
        super().__init__(NAME, ("A",), ("book_delta",), repaired=False, adapter_of=lambda _: Speaking())
        self.connect(1, at(0))

    def tell(self, *frames: bytes, second: float) -> None:
        self.receive(at(second), frames, 0, 1)

    def asked(self) -> list[RepairRequest]:
        self.commit()
        return self.requests


def test_a_first_message_that_is_no_snapshot_asks_for_the_book() -> None:
    feed = Feed()
    feed.tell(update(7), second=1)

    assert feed.asked() == [BookRequest(BOOK, 0, 7, at(1))]


def test_a_first_message_that_is_a_snapshot_asks_for_nothing() -> None:
    feed = Feed()
    feed.tell(snapshot(7), update(8), second=1)
    feed.tell(update(9), second=30)

    assert feed.asked() == []


def test_a_hole_before_an_update_asks_for_the_book_once_it_is_settled() -> None:
    feed = Feed()
    feed.tell(snapshot(7), update(8), second=1)
    feed.tell(update(12), second=2)
    assert feed.asked() == []
    feed.tell(update(13), second=30)

    assert feed.asked() == [BookRequest(BOOK, 0, 12, at(2))]


def test_a_hole_before_a_snapshot_asks_for_nothing() -> None:
    feed = Feed()
    feed.tell(snapshot(7), update(8), second=1)
    feed.tell(snapshot(20), second=2)
    feed.tell(update(21), second=30)

    assert feed.asked() == []


def test_a_hole_behind_a_snapshot_that_came_with_the_same_read_asks_for_the_book() -> None:
    feed = Feed()
    feed.tell(snapshot(7), update(8), update(12), second=1)
    feed.tell(update(13), second=30)

    assert feed.asked() == [BookRequest(BOOK, 0, 12, at(1))]


def test_a_snapshot_behind_a_hole_that_came_with_the_same_read_is_the_book() -> None:
    feed = Feed()
    feed.tell(snapshot(7), update(8), update(12), snapshot(12), second=1)
    feed.tell(update(13), second=30)

    assert feed.asked() == []


def test_a_snapshot_between_a_hole_and_its_row_is_the_book() -> None:
    feed = Feed()
    feed.tell(snapshot(7), update(8), second=1)
    feed.tell(update(12), second=2)
    feed.tell(snapshot(12), update(13), second=3)
    feed.tell(update(14), second=30)

    assert feed.asked() == []


def test_a_snapshot_that_begins_a_new_series_asks_for_nothing() -> None:
    feed = Feed()
    feed.tell(snapshot(70), update(71), second=1)
    feed.tell(snapshot(3), update(4), second=20)
    feed.tell(update(5), second=50)
    feed.commit()

    assert [gap.kind for _, _, gap in feed.gaps] == ["reset"]
    assert feed.asked() == []
