"""What clients of each exchange may say, how its own pings are answered, and how long it waits for a silent client.

Sources: each exchange's page of docs/exchanges names its documentation.
"""

import json
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec
from msgspec import Meta, Struct

Names = Annotated[list[str], Meta(min_length=1)]


class Dialect(NamedTuple):
    """What an exchange understands."""

    exchange: str
    hosts: tuple[str, ...]
    """Parts of the host in a recording's URL."""
    forms: tuple[Any, ...]
    """The messages that subscribe, unsubscribe and set options; structs without further keys."""
    pong: Callable[[bytes], str | None] = lambda _: None
    """The answer to a client's ping; None for any other message."""
    idle_secs: float | None = None
    """The exchange ends a connection whose client says nothing for so long."""
    messages_per_sec: int | None = None
    """The exchange ends a connection whose client says more."""

    def understands(self, text: bytes) -> bool:
        """Whether a message has one of the forms."""
        return any(_has_form(form, text) for form in self.forms)


def _has_form(form: Any, text: bytes) -> bool:
    try:
        msgspec.json.decode(text, type=form)
    except msgspec.MsgspecError:
        return False
    return True


class _Form(Struct, forbid_unknown_fields=True):
    pass


class _Binance(_Form):
    method: Literal["SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS"]
    id: int | str | None
    params: list[str] = []


class _Bybit(_Form):
    op: Literal["subscribe", "unsubscribe"]
    args: Annotated[list[str], Meta(min_length=1, max_length=10)]
    req_id: str = ""


class _OkxTopic(_Form):
    channel: str
    instId: str = ""  # noqa: N815 -- OKX's own name
    instType: str = ""  # noqa: N815
    uly: str = ""


class _Okx(_Form):
    op: Literal["subscribe", "unsubscribe"]
    args: Annotated[list[_OkxTopic], Meta(min_length=1)]
    id: str = ""


class _Coinbase(_Form):
    type: Literal["subscribe", "unsubscribe"]
    product_ids: Names
    channels: Names


class _CoinbaseAdvanced(_Form):
    type: Literal["subscribe", "unsubscribe"]
    channel: str
    product_ids: list[str] = []


class _KrakenParams(_Form):
    channel: Literal["book", "trade", "ticker", "instrument", "ohlc"]
    symbol: list[str] = []
    depth: Literal[10, 25, 100, 500, 1000] | None = None
    snapshot: bool = True
    event_trigger: Literal["bbo", "trades"] = "trades"


class _Kraken(_Form):
    method: Literal["subscribe", "unsubscribe"]
    params: _KrakenParams
    req_id: int = 0


class _KrakenFutures(_Form):
    event: Literal["subscribe", "unsubscribe"]
    feed: str
    product_ids: list[str] = []


class _BitfinexConf(_Form):
    event: Literal["conf"]
    flags: int


class _Bitfinex(_Form):
    event: Literal["subscribe"]
    channel: Literal["book", "trades", "ticker", "status"]
    symbol: str = ""
    prec: str = ""
    freq: str = ""
    len: str = ""
    key: str = ""


class _BitfinexEnd(_Form):
    event: Literal["unsubscribe"]
    chanId: int  # noqa: N815 -- Bitfinex's own name


class _DeribitChannels(_Form):
    channels: Names


class _DeribitInterval(_Form):
    interval: Annotated[int, Meta(ge=10)]


class _Deribit(_Form):
    jsonrpc: Literal["2.0"]
    id: int
    method: Literal["public/subscribe", "public/unsubscribe"]
    params: _DeribitChannels


class _DeribitHeartbeat(_Form):
    jsonrpc: Literal["2.0"]
    id: int
    method: Literal["public/set_heartbeat"]
    params: _DeribitInterval


class _HyperliquidTopic(_Form):
    type: str
    coin: str


class _Hyperliquid(_Form):
    method: Literal["subscribe", "unsubscribe"]
    subscription: _HyperliquidTopic


class _BitstampData(_Form):
    channel: str


class _Bitstamp(_Form):
    event: Literal["bts:subscribe", "bts:unsubscribe"]
    data: _BitstampData


class _Gate(_Form):
    time: int
    channel: str
    event: Literal["subscribe", "unsubscribe"]
    payload: Names
    id: int = 0


class _Kucoin(_Form):
    id: str | int
    type: Literal["subscribe", "unsubscribe"]
    topic: str
    response: bool = False
    privateChannel: bool = False  # noqa: N815 -- KuCoin's own name


class _GeminiTopics(_Form):
    name: str
    symbols: Names


class _Gemini(_Form):
    type: Literal["subscribe", "unsubscribe"]
    subscriptions: Annotated[list[_GeminiTopics], Meta(min_length=1)]


class _Bitmex(_Form):
    op: Literal["subscribe", "unsubscribe"]
    args: Names


def _exact(ping: bytes, pong: str) -> Callable[[bytes], str | None]:
    return lambda text: pong if text == ping else None


def _by_field(field: str, value: str, answer: Callable[[dict[str, Any]], object]) -> Callable[[bytes], str | None]:
    """Answers JSON objects with that value in that field."""

    def pong(text: bytes) -> str | None:
        try:
            said = json.loads(text)
        except ValueError:
            return None
        if not isinstance(said, dict) or said.get(field) != value:
            return None
        return json.dumps(answer(said), separators=(",", ":"))

    return pong


DIALECTS: Final = (
    Dialect("binance", ("binance.com", "binance.us"), (_Binance,)),
    Dialect(
        "bybit",
        ("bybit.com",),
        (_Bybit,),
        _by_field("op", "ping", lambda _: {"success": True, "ret_msg": "pong", "conn_id": "simulated", "op": "ping"}),
        600.0,
    ),
    Dialect("okx", ("okx.com",), (_Okx,), _exact(b"ping", "pong"), 30.0),
    Dialect("coinbase_advanced", ("advanced-trade-ws.coinbase.com",), (_CoinbaseAdvanced,)),
    Dialect("coinbase", ("coinbase.com",), (_Coinbase,)),
    Dialect("kraken_futures", ("futures.kraken.com",), (_KrakenFutures,)),
    Dialect("kraken", ("kraken.com",), (_Kraken,), _by_field("method", "ping", lambda _: {"method": "pong"}), 60.0),
    Dialect(
        "bitfinex",
        ("bitfinex.com",),
        (_BitfinexConf, _Bitfinex, _BitfinexEnd),
        _by_field("event", "ping", lambda said: {"event": "pong", "cid": said.get("cid", 0)}),
    ),
    Dialect(
        "deribit",
        ("deribit.com",),
        (_Deribit, _DeribitHeartbeat),
        _by_field("method", "public/test", lambda said: {"jsonrpc": "2.0", "id": said.get("id"), "result": {}}),
    ),
    Dialect(
        "hyperliquid",
        ("hyperliquid.xyz",),
        (_Hyperliquid,),
        _by_field("method", "ping", lambda _: {"channel": "pong"}),
        60.0,
    ),
    Dialect(
        "bitstamp",
        ("bitstamp.net",),
        (_Bitstamp,),
        _by_field(
            "event", "bts:heartbeat", lambda _: {"event": "bts:heartbeat", "channel": "", "data": {"status": "success"}}
        ),
    ),
    Dialect(
        "gate",
        ("gateio.ws", "gate.io"),
        (_Gate,),
        _by_field("channel", "spot.ping", lambda _: {"time": 0, "channel": "spot.pong", "event": "", "result": None}),
    ),
    Dialect(
        "kucoin",
        ("kucoin.com",),
        (_Kucoin,),
        _by_field("type", "ping", lambda said: {"id": said.get("id"), "type": "pong"}),
        28.0,
        10,
    ),
    Dialect("bitmex", ("bitmex.com",), (_Bitmex,), _exact(b"ping", "pong")),
    Dialect("gemini", ("gemini.com",), (_Gemini,)),
)
"""In the order in which hosts are looked for."""


def dialect_of(host: str) -> Dialect | None:
    """The dialect of the exchange at this host."""
    return next((one for one in DIALECTS if any(part in host for part in one.hosts)), None)
