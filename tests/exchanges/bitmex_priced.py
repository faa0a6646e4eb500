"""Recorded frames of BitMEX's books as they are since July 2023, with the price in each row: the recording is older."""

import re

_ROW = re.compile(r'\{"symbol":"(\w+)","id":(\d+),"side":"\w+"(?:,"size":\d+)?(,"price":[^,}]+)?\}')
_prices: dict[tuple[str, str], str] = {}
"""By symbol and id, which then meant the price."""


def with_prices(text: str) -> str:
    """A frame whose rows have the prices that earlier rows with their ids had."""
    return _ROW.sub(_priced, text) if text.startswith('{"table":"orderBookL2"') else text


def _priced(row: re.Match[str]) -> str:
    symbol, level, price = row.groups()
    told = _prices.setdefault((symbol, level), price) if price else _prices[symbol, level]
    return row[0] if price else f"{row[0][:-1]}{told}}}"
