"""Another project's pairs of a frame and the records it makes of it, held against an adapter that shares no code with it."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from collector.domain.errors import UndecodableError
from collector.domain.records import Envelope
from collector.domain.times import NO_TIME_US
from collector.exchanges.adapter import Adapter, Subscription
from tests.exchanges.rows import rows_of

_MADE: Final = "made by that project, not sent by the exchange"
_WAITS: Final = "an update before any book"
_OTHER: Final = "another message than the exchange sends now"

Pair = Mapping[str, Any]


def assert_mapped(
    adapter: Adapter, pairs: Sequence[Pair], *, reasons: Mapping[str, int], spell: Callable[[str], str] = str
) -> None:
    """Each pair reads alike, or differs for one of `reasons`, which are counted; `spell` makes our symbol of theirs."""
    found = Counter(filter(None, (_reason(adapter, pair, spell) for pair in pairs)))
    assert found == Counter(reasons)


def _reason(adapter: Adapter, pair: Pair, spell: Callable[[str], str]) -> str | None:
    """Why a pair reads differently; None if it reads alike."""
    if pair["raw"].get("generated"):
        return _MADE
    frame = json.dumps(pair["raw"], separators=(",", ":")).encode()
    messages = _decoded(adapter, frame, pair, spell)
    if messages is None:
        return _OTHER
    ours = _ours(adapter, messages)
    if ours and not pair["expected"]:
        assert {one["type"] for one in ours} == {"book_change"}
        return _WAITS
    assert ours == [_told(one, spell) for one in pair["expected"]]
    return None


def _decoded(adapter: Adapter, frame: bytes, pair: Pair, spell: Callable[[str], str]) -> list[Envelope] | None:
    symbols = {spell(one["symbol"]) for one in pair["expected"]} | _symbols_in(frame)
    try:
        return adapter.decoder(Subscription(tuple(symbols), tuple(adapter.id_rules)))(frame)
    except UndecodableError:
        assert not pair["expected"] or "method" in pair["raw"], pair
        return None


def _symbols_in(frame: bytes) -> set[str]:
    return {part for name in json.loads(frame).values() if isinstance(name, str) for part in _parts(name)}


def _parts(name: str) -> set[str]:
    return {name.rpartition("_")[2], name.rpartition(":")[2]}


def _told(record: Mapping[str, Any], spell: Callable[[str], str]) -> dict[str, Any]:
    """Another project's record in words of ours."""
    head = {"type": record["type"], "symbol": spell(record["symbol"]), "at": _us(record["timestamp"])}
    if record["type"] == "trade":
        return head | {"id": record["id"], "price": record["price"], "size": record["amount"], "side": record["side"]}
    if record["type"] == "book_ticker":
        return head | {
            "best": [float(record[name]) for name in ("bidPrice", "bidAmount", "askPrice", "askAmount")],
        }
    return head | {
        side: [(float(one["price"]), float(one["amount"])) for one in record[side]] for side in ("bids", "asks")
    }


def _ours(adapter: Adapter, messages: Sequence[Envelope]) -> list[dict[str, Any]]:
    """Our messages in the same words."""
    found = []
    for message in messages:
        data_type = message.stream.data_type
        row: Any = rows_of(adapter, data_type, [message.payload])[0]
        assert row is not None
        assert message.exchange_us != NO_TIME_US
        head = {"symbol": message.stream.symbol, "at": message.exchange_us}
        if data_type == "trade":
            found.append(
                {"type": "trade", **head} | {"id": row.trade_id, "price": row.price, "size": row.size, "side": row.side}
            )
        elif data_type == "book_ticker":
            found.append(
                {"type": "book_ticker", **head} | {"best": [row.bid_price, row.bid_size, row.ask_price, row.ask_size]}
            )
        else:
            sides = {
                "bids": list(zip(row.bid_prices, row.bid_sizes, strict=True)),
                "asks": list(zip(row.ask_prices, row.ask_sizes, strict=True)),
            }
            found.append({"type": "book_change", **head, **sides})
    return found


def _us(text: str) -> int:
    whole = datetime.fromisoformat(text)
    return int(whole.timestamp()) * 1_000_000 + whole.microsecond
