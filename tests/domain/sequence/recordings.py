"""Recorded frames of every exchange, and the ids in them, read without the project's adapters.

Each reading gives, frame by frame, the rule of the ids, the series they belong to, and the ids as an envelope holds them;
None for ids: the series begins anew.
"""

import gzip
import re
from base64 import b64decode
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa

from collector.domain.records import IdRule
from collector.exchanges import checksums

DENSE, CHAINED, RISING = IdRule.DENSE, IdRule.CHAINED, IdRule.RISING


class Ids(NamedTuple):
    """The ids a message covers."""

    first: int
    last: int


Said = tuple[IdRule, object, Ids | None]
Reading = Callable[[Iterator[tuple[str, str]]], Iterator[Said]]
"""From connection and text of each frame to what the frames say."""

_decode = msgspec.json.decode


class _Line(msgspec.Struct):
    dir: str
    raw: str = ""
    conn: str = ""
    enc: str = ""


_decode_line = msgspec.json.Decoder(_Line).decode


def frames(path: Path) -> Iterator[tuple[str, str]]:
    """The frames a recording received."""
    with pa.input_stream(str(path), compression="zstd") as stream:
        lines = stream.read().splitlines()
    for line in map(_decode_line, lines):
        if line.dir == "in":
            yield line.conn, gzip.decompress(b64decode(line.raw)).decode() if line.enc else line.raw


def ids(*numbers: int | str) -> Ids:
    return Ids(int(numbers[0]), int(numbers[-1]))


def linked(last: int | str, previous: int | str) -> Ids:
    """A message that names the previous one's id covers the ids between."""
    return Ids(int(previous) + 1, int(last))


def json_of(received: Iterator[tuple[str, str]], part: str) -> Iterator[tuple[str, Any]]:
    return ((conn, _decode(raw)) for conn, raw in received if part in raw)


_BINANCE = re.compile(r'"(e|stream|s|U|u|pu|t|a)": ?("[^"]*"|-?\d+)')


def binance(received: Iterator[tuple[str, str]]) -> Iterator[Said]:
    for conn, raw in received:
        said = {name: value.strip('"') for name, value in reversed(_BINANCE.findall(raw))}
        name = said.get("stream", "")
        key = conn, name
        if "@depth" in name and "pu" in said:
            yield CHAINED, key, linked(said["u"], said["pu"])
        elif "@depth" in name:
            yield DENSE, key, ids(said["U"], said["u"])
        elif "@trade" in name:
            yield DENSE, key, ids(said["t"])
        elif "@aggTrade" in name:
            yield DENSE, key, ids(said["a"])
        elif "@bookTicker" in name:
            yield RISING, key, ids(said["u"])


def counted(name: str) -> Reading:
    """Every frame of a connection carries a count of this name."""

    def read(received: Iterator[tuple[str, str]]) -> Iterator[Said]:
        for conn, frame in json_of(received, f'"{name}"'):
            yield DENSE, conn, ids(frame[name])

    return read


def ascendex(received: Iterator[tuple[str, str]]) -> Iterator[Said]:
    for conn, frame in json_of(received, '"m":"depth"'):
        yield DENSE, (conn, frame["symbol"]), ids(frame["data"]["seqnum"])


def bequant(received: Iterator[tuple[str, str]]) -> Iterator[Said]:
    for conn, frame in json_of(received, 'rderbook"'):
        if "params" in frame:
            said = frame["params"]
            yield DENSE, (conn, said["symbol"]), ids(said["sequence"])


def bitfinex(received: Iterator[tuple[str, str]]) -> Iterator[Said]:
    for conn, frame in json_of(received, "["):
        if isinstance(frame, list):
            yield DENSE, conn, ids(frame[-1])


def bitflyer(received: Iterator[tuple[str, str]]) -> Iterator[Said]:
    for conn, frame in json_of(received, "lightning_executions"):
        for trade in frame.get("params", {}).get("message", ()):
            yield DENSE, (conn, frame["params"]["channel"]), ids(trade["id"])


def bitstamp(received: Iterator[tuple[str, str]]) -> Iterator[Said]:
    for conn, frame in json_of(received, '"microtimestamp"'):
        if frame["event"] == "data":
            yield RISING, (conn, frame["channel"]), ids(frame["data"]["microtimestamp"])


def bybit(received: Iterator[tuple[str, str]]) -> Iterator[Said]:
    for conn, frame in json_of(received, '"orderbook.'):
        if "data" in frame:
            key = conn, frame["topic"]
            if frame["type"] == "snapshot":
                yield DENSE, key, None
            yield DENSE, key, ids(frame["data"]["u"])
            yield RISING, (*key, "seq"), ids(frame["data"]["seq"])


def coinbase(received: Iterator[tuple[str, str]]) -> Iterator[Said]:
    for conn, frame in json_of(received, '"sequence_num"'):
        yield DENSE, conn, ids(frame["sequence_num"])
        for event in frame["events"]:
            # Newest first.
            for trade in reversed(event.get("trades", ())):
                yield DENSE, (conn, trade["product_id"], event["type"]), ids(trade["trade_id"])


def deribit(received: Iterator[tuple[str, str]]) -> Iterator[Said]:
    for conn, frame in json_of(received, '"change_id"'):
        said = frame["params"]["data"]
        key = conn, said["instrument_name"]
        if "prev_change_id" in said:
            yield CHAINED, key, linked(said["change_id"], said["prev_change_id"])
        else:
            yield CHAINED, key, None
            yield CHAINED, key, ids(said["change_id"])


def fmfw(received: Iterator[tuple[str, str]]) -> Iterator[Said]:
    for conn, frame in json_of(received, '"ch":"orderbook/full"'):
        for said in (frame.get("snapshot", {}), frame.get("update", {})):
            for symbol, book in said.items():
                yield DENSE, (conn, symbol), ids(book["s"])


def gateio(received: Iterator[tuple[str, str]]) -> Iterator[Said]:
    for conn, frame in json_of(received, '"depthUpdate"'):
        said = frame["result"]
        yield DENSE, (conn, said["s"]), ids(said["U"], said["u"])


def gemini(received: Iterator[tuple[str, str]]) -> Iterator[Said]:
    for conn, frame in json_of(received, '"type":"trade"'):
        if frame["type"] == "trade":
            yield RISING, (conn, frame["symbol"]), ids(frame["event_id"])


def huobi(received: Iterator[tuple[str, str]]) -> Iterator[Said]:
    for conn, frame in json_of(received, '"version"'):
        yield RISING, (conn, frame["ch"]), ids(frame["tick"]["version"])


def hyperliquid(received: Iterator[tuple[str, str]]) -> Iterator[Said]:
    for conn, frame in json_of(received, '"channel":"l2Book"'):
        yield RISING, (conn, "book"), ids(frame["data"]["time"])


def kraken_futures(received: Iterator[tuple[str, str]]) -> Iterator[Said]:
    for conn, frame in json_of(received, '"feed":"book'):
        if "seq" in frame:
            key = conn, frame["product_id"]
            if frame["feed"] == "book_snapshot":
                yield DENSE, key, None
            yield DENSE, key, ids(frame["seq"])


def kucoin(received: Iterator[tuple[str, str]]) -> Iterator[Said]:
    for conn, frame in json_of(received, '"sequenceStart"'):
        said = frame["data"]
        yield DENSE, (conn, said["symbol"]), ids(said["sequenceStart"], said["sequenceEnd"])


def okx(received: Iterator[tuple[str, str]]) -> Iterator[Said]:
    for conn, frame in json_of(received, '"channel":"books"'):
        for said in frame.get("data", ()):
            yield RISING, (conn, frame["arg"]["instId"]), ids(said["ts"])


def poloniex(received: Iterator[tuple[str, str]]) -> Iterator[Said]:
    for conn, frame in json_of(received, '"lastId"'):
        for said in frame["data"]:
            key = conn, said["symbol"]
            if frame["action"] == "snapshot":
                yield CHAINED, key, None
                yield CHAINED, key, ids(said["id"])
            else:
                yield CHAINED, key, linked(said["id"], said["lastId"])


def upbit(received: Iterator[tuple[str, str]]) -> Iterator[Said]:
    for conn, frame in json_of(received, '"sid"'):
        yield RISING, (conn, frame["cd"]), ids(frame["sid"])


READINGS: dict[str, Reading] = {
    "ascendex": ascendex,
    "bequant": bequant,
    "binance_coinm": binance,
    "binance_spot": binance,
    "binance_usdm": binance,
    "bitfinex": bitfinex,
    "bitflyer": bitflyer,
    "bitstamp": bitstamp,
    "blockchain": counted("seqnum"),
    "bybit": bybit,
    "coinbase": coinbase,
    "deribit": deribit,
    "dydx": counted("message_id"),
    "fmfw": fmfw,
    "gateio": gateio,
    "gemini": gemini,
    "huobi": huobi,
    "hyperliquid": hyperliquid,
    "kraken_futures": kraken_futures,
    "kucoin": kucoin,
    "okx": okx,
    "poloniex": poloniex,
    "upbit": upbit,
}
"""By the recording's folder."""

WITHOUT_IDS = {"bithumb", "bitmex", "cryptocom", "kraken"}
"""Recordings whose frames carry no id that proves anything; Kraken's books carry checksums instead."""


class _Book:
    """Both sides by price, with the text of each number."""

    def __init__(self) -> None:
        self._sides: tuple[dict[float, tuple[str, str]], dict[float, tuple[str, str]]] = ({}, {})

    def apply(self, side: int, levels: list[list[str]]) -> None:
        for price, size, *_ in levels:
            if float(size):
                self._sides[side][float(price)] = price, size
            else:
                self._sides[side].pop(float(price), None)

    def best(self, depth: int) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        """The best bids, and asks; what lies deeper is forgotten."""
        for side in (0, 1):
            ordered = sorted(self._sides[side].items(), reverse=side == 0)[:depth]
            self._sides[side].clear()
            self._sides[side].update(ordered)
        return list(self._sides[0].values()), list(self._sides[1].values())


def kraken_checksums(received: Iterator[tuple[str, str]]) -> Iterator[bool]:
    """Of version 1: after each update, whether the book has the checksum that was sent."""
    books: defaultdict[str, _Book] = defaultdict(_Book)
    for _, frame in json_of(received, '"book-1000"'):
        if not isinstance(frame, list):
            continue
        book, sent = books[frame[-1]], None
        for part in frame[1:-2]:
            for name, side in (("bs", 0), ("as", 1), ("b", 0), ("a", 1)):
                book.apply(side, part.get(name, []))
            sent = part.get("c", sent)
        if sent is not None:
            yield int(sent) == checksums.kraken(*book.best(1000))
