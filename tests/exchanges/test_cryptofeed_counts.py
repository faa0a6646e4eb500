"""What cryptofeed counted in its recordings, held against the adapters; where the two differ, and why."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from collector.exchanges import registry
from tests.conftest import Lines
from tests.exchanges.cryptofeed import Asked, counted_of, messages
from tests.exchanges.recorded_markets import MARKETS, RecordedMarket


class Differs(NamedTuple):
    """A kind that they count more often than we have messages; less than nothing: more rarely."""

    kind: str
    by: int
    why: str


class Held(NamedTuple):
    """One of their recordings."""

    markets: tuple[RecordedMarket, ...]
    """Of these markets of ours."""
    kinds: Mapping[str, str]
    """Our data type of each kind that they count."""
    differs: tuple[Differs, ...] = ()
    unread: Mapping[str, str] = {}
    """Kinds that no data type of ours is made of, and why."""
    alone: Mapping[str, int] = {}
    """Data types that they counted nothing of, and how many messages are."""
    asked: Asked | None = None

    @property
    def is_part(self) -> bool:
        """Whether we have only the first two thirds of the recording."""
        return self.markets[0].name.endswith(".prefix")


def _recorded_as(name: str) -> tuple[RecordedMarket, ...]:
    return tuple(market for market in MARKETS if market.name.endswith((f"cryptofeed_v3_{name}", f"_{name}.prefix")))


def _after(field: str, path: str) -> Asked:
    """Of updates they count those whose id is above the book's."""
    return Asked(path, lambda book: int(book[field]), lambda update, place: (update.id or 0) <= place)


_CANDLES: Final = {"candles": "candles are not recorded"}
_REST: Final = "the last third of the recording, which we do not have"
_PAST: Final = "past trades that come with the subscription, which they leave out"
_BOOK: Final = {"l2_book": "book_delta"}
_BOOK_AND_TRADES: Final = {**_BOOK, "trades": "trade"}
_ALL: Final = {**_BOOK_AND_TRADES, "ticker": "book_ticker"}
_AGGREGATED: Final = {**_ALL, "trades": "agg_trade"}
_WHOLE_TICKER: Final = "all figures again for them at each of 758 frames of tickers; for us, those that a frame brings"

HELD: Final[Mapping[str, Held]] = {
    "BINANCE": Held(
        _recorded_as("BINANCE"),
        _AGGREGATED,
        (Differs("l2_book", -1, "4 books of REST more, 5 updates that are older less"),),
        _CANDLES,
        asked=_after("lastUpdateId", r"/depth\?symbol=(\w+)"),
    ),
    "BINANCE_FUTURES": Held(
        _recorded_as("BINANCE_FUTURES"),
        _AGGREGATED,
        (Differs("l2_book", -8, "4 books of REST more, 12 updates that are older less"),),
        _CANDLES,
        asked=Asked(
            r"/depth\?symbol=(\w+)",
            lambda book: int(book["lastUpdateId"]),
            lambda update, place: (update.id or 0) < place,
        ),
    ),
    "BYBIT": Held(
        _recorded_as("BYBIT"),
        {**_BOOK_AND_TRADES, "index": "mark_price", "funding": "funding_rate", "open_interest": "open_interest"},
        (
            Differs("index", 620, _WHOLE_TICKER),
            Differs("funding", 752, _WHOLE_TICKER),
            Differs("open_interest", 653, _WHOLE_TICKER),
        ),
        {**_CANDLES, "ticker": "best prices of `tickers`: ours are of `orderbook.1`"},
    ),
    "COINBASE": Held(
        _recorded_as("COINBASE"), _ALL, (Differs("trades", -200, f"{_PAST}: 100 of each of 2 symbols"),), _CANDLES
    ),
    "KRAKEN": Held(
        _recorded_as("KRAKEN"),
        _BOOK,
        (Differs("l2_book", 1469, _REST),),
        dict.fromkeys(("ticker", "trades"), "of version 1 of the protocol, where a trade has no id"),
    ),
    "KRAKEN_FUTURES": Held(
        _recorded_as("KRAKEN_FUTURES"),
        _BOOK_AND_TRADES,
        (Differs("trades", -1_000, f"{_PAST}: 100 of each of 10 symbols"),),
        {"ticker": "best prices of `ticker_lite`: ours are of `ticker`"},
    ),
    "OKX": Held(
        _recorded_as("OKX"),
        _BOOK_AND_TRADES,
        (Differs("l2_book", 101, _REST), Differs("trades", 28, _REST)),
        {"ticker": "best prices of `tickers`: ours are of `bbo-tbt`"},
    ),
    "BITFINEX": Held(_recorded_as("BITFINEX"), _ALL, (Differs("l2_book", 560, _REST), Differs("ticker", 5, _REST))),
    "DERIBIT": Held(
        _recorded_as("DERIBIT"),
        {**_BOOK, "ticker": "mark_price"},
        (Differs("l2_book", 13, _REST), Differs("ticker", 33, _REST)),
        alone={"open_interest": 56},
    ),
    "BITSTAMP": Held(
        _recorded_as("BITSTAMP"),
        _BOOK_AND_TRADES,
        (Differs("l2_book", -90, "10 books of REST more, 100 updates of seconds before these less"),),
        asked=Asked(
            r"/order_book/(\w+)",
            lambda book: int(book["timestamp"]),
            lambda update, place: (update.exchange_us or 0) // 1_000_000 < place,
        ),
    ),
    "GATEIO": Held(
        _recorded_as("GATEIO"),
        _BOOK_AND_TRADES,
        (Differs("l2_book", -3, "10 books of REST more, 13 updates that are older less"),),
        {**_CANDLES, "ticker": "best prices of `spot.tickers`: ours are of `spot.book_ticker`"},
        asked=_after("id", r"/order_book\?currency_pair=(\w+)"),
    ),
    "KUCOIN": Held(
        _recorded_as("KUCOIN"),
        _ALL,
        (
            Differs("l2_book", -30, "9 books of REST more, 39 updates that are older less"),
            Differs("l2_book", 1295, _REST),
            Differs("ticker", 274, _REST),
            Differs("trades", 4, _REST),
        ),
        _CANDLES,
        asked=Asked(
            r"/level2\?symbol=([\w-]+)",
            lambda book: int(book["data"]["sequence"]),
            lambda update, place: (update.first_id or 0) < place,
        ),
    ),
    "BITMEX": Held(tuple(market for market in MARKETS if market.exchange == "bitmex"), _ALL),
    "GEMINI": Held(_recorded_as("GEMINI"), _BOOK_AND_TRADES, (Differs("trades", -810, _PAST),)),
}
"""Their recordings of markets that are ours too; the numbers of BITMEX are of version 2, all others of version 3."""

NOT_RECORDED: Final = frozenset(
    {
        "ASCENDEX", "ASCENDEX_FUTURES", "BEQUANT", "BINANCE_TR", "BINANCE_US", "BITDOTCOM", "BITFLYER", "BITGET",
        "BITHUMB", "BLOCKCHAIN", "CRYPTO.COM", "CRYPTODOTCOM", "DELTA", "DYDX", "FMFW", "GATEIO_FUTURES", "HITBTC",
        "HUOBI", "HUOBI_DM", "HUOBI_SWAP", "INDEPENDENT_RESERVE", "OKCOIN", "PHEMEX", "POLONIEX", "PROBIT", "UPBIT",
    }
)  # fmt: skip
"""Exchanges that no adapter of ours reads."""
NO_RECORDING: Final = frozenset({"BINANCE_DELIVERY"})
"""A market of ours whose numbers we have without the frames."""
RECORDED_ANEW: Final = frozenset({"BYBIT", "COINBASE", "GEMINI"})
"""Their version 3 has another recording of these; the one that version 2 counted is not ours."""

Counts = Mapping[str, Mapping[str, int]]


@pytest.fixture(scope="module")
def versions(data: Path) -> tuple[Counts, Counts]:
    """What their versions 2 and 3 counted of each kind, by their name of the exchange."""
    folder = data / "expected" / "cryptofeed"
    second, third = (json.loads((folder / f"expected_counts_v{one}.json").read_text("utf-8")) for one in (2, 3))
    return second, third


@pytest.mark.parametrize("name", HELD)
def test_each_recording_is_counted_alike_or_differs_as_said(
    name: str, versions: tuple[Counts, Counts], recorded: Lines
) -> None:
    held, theirs = HELD[name], {**versions[0], **versions[1]}[name]
    ours = counted_of(messages(held.markets, recorded))
    assert theirs.keys() == held.kinds.keys() | held.unread.keys()
    assert ours.keys() == set(held.kinds.values()) | held.alone.keys()
    assert {data_type: ours[data_type] for data_type in held.alone} == held.alone
    by = {kind: sum(one.by for one in held.differs if one.kind == kind) for kind in held.kinds}
    assert {kind: theirs[kind] - ours[data_type] for kind, data_type in held.kinds.items()} == by


@pytest.mark.parametrize("name", [name for name, held in HELD.items() if held.asked])
def test_books_of_rest_and_the_updates_before_them_are_all_that_differs_in_books(name: str, recorded: Lines) -> None:
    held = HELD[name]
    assert held.asked is not None
    updates = [one for one in messages(held.markets, recorded) if one.stream.data_type == "book_delta"]
    by = sum(one.by for one in held.differs if one.kind == "l2_book" and one.why != _REST)
    assert held.asked.more(recorded(held.markets[0].name), updates) == by


@pytest.mark.parametrize("name", [name for name, held in HELD.items() if held.is_part])
def test_what_a_part_lacks_has_room_in_the_frames_that_are_not_in_it(name: str, recorded: Lines) -> None:
    held = HELD[name]
    frames = sum(line["dir"] == "in" for line in recorded(held.markets[0].name))
    lacking = [one.by for one in held.differs if one.why == _REST]
    assert min(lacking) > 0
    assert sum(lacking) <= frames // 2 + 1, "a part is two thirds"


def test_every_count_is_held_or_left_out_by_name(versions: tuple[Counts, Counts]) -> None:
    second, third = versions
    named: list[Any] = [*HELD, *NOT_RECORDED, *NO_RECORDING]
    assert sorted(named) == sorted(second.keys() | third.keys())
    assert {name for name in HELD.keys() & second.keys() & third.keys() if second[name] != third[name]} == RECORDED_ANEW
    assert HELD.keys() - third.keys() == {"BITMEX"}
    assert not {name.lower() for name in NOT_RECORDED} & set(registry.data_types())


def test_every_recording_of_theirs_that_an_adapter_reads_is_held() -> None:
    held = {(market.exchange, market.name) for held in HELD.values() for market in held.markets}
    assert {(market.exchange, market.name) for market in MARKETS if "/cryptofeed_" in market.name} <= held
