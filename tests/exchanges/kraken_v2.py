"""Recorded frames of Kraken's WebSocket v1 as v2 writes them: of v2 there is no recording."""

import json
from collections.abc import Iterable

_SIDES = {"bids": ("bs", "b"), "asks": ("as", "a")}
_TIME = "2023-10-06T17:35:55.440295Z"
_ANSWERS = {
    "heartbeat": '{"channel":"heartbeat"}',
    "systemStatus": '{"channel":"status","type":"update","data":[{"system":"online"}]}',
}


def book_frame(
    kind: str, symbol: str, bids: Iterable[tuple[str, str]], asks: Iterable[tuple[str, str]], checksum: int | None
) -> bytes:
    """A frame of a book as the documentation has it, its numbers as they are given."""
    sides = (",".join(f'{{"price":{price},"qty":{size}}}' for price, size in side) for side in (bids, asks))
    data = '"symbol":"{}","bids":[{}],"asks":[{}]'.format(symbol, *sides)
    if checksum is not None:
        data += f',"checksum":{checksum}'
    return f'{{"channel":"book","type":"{kind}","data":[{{{data},"timestamp":"{_TIME}"}}]}}'.encode()


def as_v2(text: str) -> str:
    """A frame of v1 that belongs to a book; its symbol stays as v1 has it, XBT for BTC."""
    message = json.loads(text)
    if isinstance(message, dict):
        answer = {"method": "subscribe", "success": True, "result": {"channel": "book", "symbol": message.get("pair")}}
        return _ANSWERS.get(message["event"]) or json.dumps(answer, separators=(",", ":"))
    _, *parts, _, symbol = message
    told = {name: value for part in parts for name, value in part.items()}
    bids, asks = (
        [(price, size) for name in names for price, size, *_ in told.get(name, ())] for names in _SIDES.values()
    )
    kind = "snapshot" if "as" in told or "bs" in told else "update"
    return book_frame(kind, symbol, bids, asks, int(told["c"]) if "c" in told else None).decode()
