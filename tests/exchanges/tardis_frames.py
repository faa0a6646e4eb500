"""Frames of another project's pairs, as our subscriptions would bring them."""

import json
import re
from typing import Any, Final


def binance(text: str) -> str:
    return re.sub(r'@depth(@0ms|@1000ms)?"', '@depth@100ms"', text.replace('@markPrice"', '@markPrice@1s"'), count=1)


def binance_spot(text: str) -> str:
    """Their book of a REST server has the form of our partial book."""
    return binance(text.replace('@depthSnapshot","generated":true', '@depth20@100ms"'))


def okx(text: str) -> str:
    return text.replace("books-l2-tbt", "books")


def deribit(text: str) -> str:
    grouped = re.sub(r'"(book|trades|ticker)\.([^".]+)\.raw"', r'"\1.\2.100ms"', text)
    # The one book of the pairs is from before books had a type.
    return grouped.replace('"change_id":1776289261', '"type":"snapshot","change_id":1776289261')


_BITFINEX_ANSWERED: Final = {89: ("trades", "BTCUSD"), 6959: ("book", "ETHUSD"), 127758: ("status", "BTCF0:USTF0")}
"""Channels of frames without a name, as the answers among the pairs explain them."""


def bitfinex_answer(raw: Any) -> list[str]:
    """What explains a frame's number; frames that they recorded later end with their channel and symbol."""
    if not isinstance(raw, list):
        return []
    named = tuple(raw[-2:]) if isinstance(raw[-1], str) else _BITFINEX_ANSWERED.get(raw[0])
    if named is None:
        return []
    channel, pair = named
    symbol = f"{'t' if len(pair) > 3 else 'f'}{pair}"  # a loan names one currency
    keys = {"liquidations": "liq:global", "status": f"deriv:{symbol}"}
    place = {"channel": "status", "key": keys[channel]} if channel in keys else {"channel": channel, "symbol": symbol}
    return [json.dumps({"event": "subscribed", **place, "chanId": raw[0], "pair": pair}, separators=(",", ":"))]


def bitfinex(text: str) -> str:
    """The second news of a trade, which we read, has the form of the first, which they read."""
    return text.replace('"te"', '"tu"')
