"""How the pairs of another project are read here: alike, or different for a reason; and which are left out."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from tests.exchanges import tardis_frames
from tests.exchanges.tardis import MADE, Theirs, unread


class Differs(NamedTuple):
    """An outcome other than `ALIKE`."""

    outcome: str
    pairs: int
    """How many pairs end so."""
    why: str


class Mapped(NamedTuple):
    """One of their exchanges."""

    their: Theirs
    alike: int
    differs: tuple[Differs, ...] = ()


class Left(NamedTuple):
    """One of their exchanges that is not read here."""

    pairs: int
    why: str


_BOOK_TIME: Final = "ours book.time, theirs book.time"
_CLOSED: Final = "not recorded: the exchange has closed"
_MADE: Final = "written by that project: an answer of a REST server, put among the frames"
_NOW: Final = "a frame without a time: they take the time of receipt, we say there is none"
_NOT_RECORDED: Final = "not recorded"
_SENT: Final = "the time of sending (`E`) for them, the time of the match (`T`) for us"
_STATISTICS: Final = unread("unknown channel: ticker")
_UNKNOWN: Final = unread("unknown message")
_WAITS: Final = "an update before any book, which they wait for; a recorder keeps every update"


_OKX: Final = Theirs("okx", rewrite=tardis_frames.okx)
_OKX_OLD: Final = "version 3 of the protocol, closed"
_BYBIT_OLD: Final = "a channel of the interfaces before version 5, closed"
_BITFINEX: Final = Theirs(
    "bitfinex", lambda symbol: f"t{symbol}", tardis_frames.bitfinex, tardis_frames.bitfinex_answer
)
_UNNAMED: Final = unread("channel id that no answer explained")
_BITFINEX_UNNAMED: Final = "a numbered channel whose answer is in no pair; they cannot read it either"
_BITFINEX_SIZES: Final = "sizes of a ticker are sums of 25 levels, not those of the best prices"

MAPPED: Final[Mapping[str, Mapped]] = {
    "binance": Mapped(
        Theirs("binance", rewrite=tardis_frames.binance_spot),
        3,
        (
            Differs(_STATISTICS, 1, _NOT_RECORDED),
            Differs(_BOOK_TIME, 1, _NOW),
            Differs("ours book, ours book.time", 1, _WAITS),
            Differs("ours book_ticker.time, theirs book_ticker.time", 1, _NOW),
        ),
    ),
    "binance-futures": Mapped(
        Theirs("binance_usdm", rewrite=tardis_frames.binance),
        2,
        (
            Differs(_STATISTICS, 2, _NOT_RECORDED),
            Differs(
                unread("not a message of aggTrade: Object missing required field `a` - at `$.data`"),
                1,
                "an aggregate trade without its id, as of 2019",
            ),
            Differs(MADE, 2, _MADE),
            Differs("ours book, ours book.time", 1, _WAITS),
            Differs(_BOOK_TIME, 1, _SENT),
            Differs("theirs open_interest.open_interest", 1, "a figure of an earlier message, said again"),
        ),
    ),
    "binance-delivery": Mapped(
        Theirs("binance_coinm", rewrite=tardis_frames.binance),
        2,
        (
            Differs(_STATISTICS, 1, _NOT_RECORDED),
            Differs(unread("unknown channel: indexPrice@1s"), 1, "the price of an index, not recorded"),
            Differs(MADE, 2, _MADE),
            Differs(_BOOK_TIME, 2, _SENT),
        ),
    ),
    "okex": Mapped(_OKX, 2, (Differs(_UNKNOWN, 7, _OKX_OLD),)),
    "okex-futures": Mapped(
        _OKX,
        5,
        (
            Differs(_UNKNOWN, 15, _OKX_OLD),
            Differs(MADE, 2, _MADE),
            Differs("theirs mark_price.index_price", 1, "the price of the index from a frame of another pair"),
        ),
    ),
    "okex-swap": Mapped(_OKX, 3, (Differs(_UNKNOWN, 11, _OKX_OLD), Differs(MADE, 2, _MADE))),
    "okex-options": Mapped(_OKX, 0, (Differs(_UNKNOWN, 20, _OKX_OLD),)),
    "okex-spreads": Mapped(
        _OKX,
        0,
        (
            Differs(unread("unknown channel: sprd-public-trades"), 1, "spreads, not recorded"),
            Differs(unread("unknown channel: sprd-books5"), 1, "spreads, not recorded"),
        ),
    ),
    "bybit": Mapped(
        Theirs("bybit_linear"),
        0,
        (
            Differs(_UNKNOWN, 1, "an answer to a subscription, of the form before version 5"),
            Differs(unread("unknown channel: instrument_info.100ms"), 9, _BYBIT_OLD),
            Differs(unread("unknown channel: orderBookL2_25"), 13, _BYBIT_OLD),
            Differs(unread("unknown channel: orderBook_200.100ms"), 3, _BYBIT_OLD),
            Differs(unread("unknown channel: trade"), 5, _BYBIT_OLD),
            Differs(
                unread("unknown channel: liquidation"),
                3,
                "of the form before version 5; we subscribe to `allLiquidation`",
            ),
            Differs(MADE, 2, _MADE),
        ),
    ),
    "bybit-options": Mapped(
        Theirs("bybit_linear"),
        0,
        (
            Differs(unread("stream not subscribed: publicTrade.BTC"), 1, "options, not recorded"),
            Differs(unread("unknown channel: orderbook.25"), 3, "options, not recorded"),
        ),
    ),
    "bybit-spot": Mapped(Theirs("bybit_spot"), 3, (Differs(_UNKNOWN, 5, "version 2 of the spot protocol, closed"),)),
    "bitstamp": Mapped(
        Theirs("bitstamp", str.lower), 2, (Differs(MADE, 2, _MADE), Differs("ours book, ours book.time", 1, _WAITS))
    ),
    "kraken": Mapped(
        Theirs("kraken"),
        3,
        (
            Differs(_UNKNOWN, 6, "version 1 of the protocol, which version 2 replaces"),
            Differs("ours trade, ours trade.id", 1, "past trades of a `snapshot`, which close the hole of a reconnect"),
        ),
    ),
    "cryptofacilities": Mapped(
        Theirs("kraken_futures"),
        6,
        (
            Differs(_BOOK_TIME, 1, _NOW),
            Differs(
                "ours funding_rate.funding_rate, ours funding_rate.predicted_rate, "
                "theirs funding_rate.funding_rate, theirs funding_rate.predicted_rate",
                2,
                "the absolute rate for them, the relative one for us",
            ),
            Differs("ours trade.id, theirs trade.id", 1, "a trade before ids: ours is named by `seq`"),
        ),
    ),
    "coinbase": Mapped(
        Theirs("coinbase"),
        3,
        (
            Differs(_BOOK_TIME, 2, _NOW),
            Differs(
                "ours book.time, ours book.unread size, theirs book.time",
                1,
                "a level of size `0.-10000`, which they leave out and we keep with no size",
            ),
        ),
    ),
    "gate-io": Mapped(
        Theirs("gate"), 2, (Differs(_UNKNOWN, 6, "version 3 of the protocol, closed"), Differs(MADE, 1, _MADE))
    ),
    "hyperliquid": Mapped(
        Theirs("hyperliquid"),
        5,
        (Differs("ours trade, ours trade.id", 2, "the trades before the subscription, which they leave out"),),
    ),
    "deribit": Mapped(
        Theirs("deribit", rewrite=tardis_frames.deribit),
        3,
        (
            Differs(
                "ours book_ticker, ours book_ticker.sizes, ours book_ticker.time",
                1,
                "best prices of `quote`, which they do not read",
            ),
            Differs(
                "theirs book_ticker, theirs book_ticker.sizes, theirs book_ticker.time",
                2,
                "best prices of `ticker`: ours are of `quote`",
            ),
            Differs(
                "ours mark_price.index_price, theirs book_ticker, theirs book_ticker.sizes, theirs book_ticker.time",
                4,
                "the same, and they leave out the price of the index of an option",
            ),
            Differs(
                "theirs liquidation, theirs liquidation.id, theirs liquidation.side",
                2,
                "a trade with the mark `liquidation`: we keep the trade, with the mark in its text",
            ),
        ),
    ),
    "bitfinex": Mapped(
        _BITFINEX,
        8,
        (
            Differs(_UNNAMED, 1, _BITFINEX_UNNAMED),
            Differs(
                "ours trade, ours trade.id",
                2,
                "past trades of a first answer; the second news of a trade whose first they read",
            ),
            Differs("theirs book_ticker.sizes", 1, _BITFINEX_SIZES),
        ),
    ),
    "bitfinex-derivatives": Mapped(
        _BITFINEX,
        12,
        (
            Differs(_UNNAMED, 1, _BITFINEX_UNNAMED),
            Differs("ours trade, ours trade.id", 1, "the second news of a trade whose first they read"),
            Differs("theirs book_ticker.sizes", 1, _BITFINEX_SIZES),
        ),
    ),
    "kucoin": Mapped(Theirs("kucoin"), 7, (Differs("ours book, ours book.time", 4, _WAITS),)),
    "gemini": Mapped(
        Theirs("gemini"), 1, (Differs(_UNKNOWN, 3, "the second protocol, not read"), Differs(_BOOK_TIME, 2, _NOW))
    ),
    "bitmex": Mapped(
        Theirs("bitmex"),
        4,
        (
            Differs(
                unread("not a message of orderBookL2: a level without its price"),
                3,
                "books of before each level told its price; a price is then that of an id",
            ),
            Differs(
                unread("not a message of orderBookL2: not of one symbol"),
                1,
                "the books of two symbols in one frame; we subscribe to each by itself",
            ),
            Differs(_BOOK_TIME, 1, _NOW),
            Differs("ours liquidation, theirs liquidation", 1, _NOW),
            Differs("ours open_interest.open_interest", 1, "they wait for a time"),
            Differs(
                "theirs mark_price.index_price, theirs mark_price.mark_price, theirs open_interest.open_interest",
                1,
                "figures of an earlier frame, said again",
            ),
        ),
    ),
}
"""Their exchanges that one of our adapters reads."""

LEFT_OUT: Final[Mapping[str, Left]] = {
    "ascendex": Left(6, _NOT_RECORDED),
    "aster": Left(4, _NOT_RECORDED),
    "aster-futures": Left(7, _NOT_RECORDED),
    "binance-dex": Left(4, _CLOSED),
    "binance-european-options": Left(13, "Binance's options, not recorded"),
    "bitflyer": Left(4, _NOT_RECORDED),
    "bitget": Left(10, _NOT_RECORDED),
    "bitget-futures": Left(13, _NOT_RECORDED),
    "bitnomial": Left(3, _NOT_RECORDED),
    "bullish": Left(20, _NOT_RECORDED),
    "coinbase-international": Left(6, _NOT_RECORDED),
    "coinflex": Left(7, _CLOSED),
    "crypto-com": Left(8, _NOT_RECORDED),
    "delta": Left(14, _NOT_RECORDED),
    "dydx": Left(8, _CLOSED),
    "dydx-v4": Left(6, _NOT_RECORDED),
    "ftx": Left(8, _CLOSED),
    "ftx-us": Left(4, _CLOSED),
    "gate-io-futures": Left(17, "Gate's futures, not recorded: `gate` is the spot market"),
    "hitbtc": Left(4, _NOT_RECORDED),
    "huobi": Left(16, _NOT_RECORDED),
    "huobi-dm": Left(8, _NOT_RECORDED),
    "huobi-dm-linear-swap": Left(8, _NOT_RECORDED),
    "huobi-dm-options": Left(4, _NOT_RECORDED),
    "huobi-dm-swap": Left(8, _NOT_RECORDED),
    "kucoin-futures": Left(10, "KuCoin's futures, not recorded: `kucoin` is the spot market"),
    "lighter": Left(10, _NOT_RECORDED),
    "okcoin": Left(4, _NOT_RECORDED),
    "phemex": Left(12, _NOT_RECORDED),
    "poloniex": Left(8, _NOT_RECORDED),
    "polymarket": Left(10, _NOT_RECORDED),
    "serum": Left(3, _CLOSED),
    "upbit": Left(2, _NOT_RECORDED),
    "woo-x": Left(16, _NOT_RECORDED),
}
"""Their exchanges that no adapter of ours reads."""
