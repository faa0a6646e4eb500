"""What recorded frames of every exchange say of their own place, read without the project's adapters.

Each reading gives, frame by frame, a rule, what it counts for, and the ids; None for ids: the count begins anew.
"""

import gzip
import re
from base64 import b64decode
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from collector.domain.sequence import checksums
from collector.domain.sequence.rules import (
    CONTIGUOUS,
    COUNTER,
    LINKED,
    RISING,
    UNVERIFIABLE,
    Break,
    Ids,
    Rule,
)

Said = tuple[Rule, object, Ids | None]
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


def ids(*numbers: int | str, previous: int | None = None) -> Ids:
    first, last = int(numbers[0]), int(numbers[-1])
    return Ids(first, last, previous)


def json_of(received: Iterator[tuple[str, str]], part: str) -> Iterator[tuple[str, Any]]:
    return ((conn, _decode(raw)) for conn, raw in received if part in raw)


_BINANCE = re.compile(r'"(e|stream|s|U|u|pu|t|a)": ?("[^"]*"|-?\d+)')


def binance(received: Iterator[tuple[str, str]]) -> Iterator[Said]:
    for conn, raw in received:
        said = {name: value.strip('"') for name, value in reversed(_BINANCE.findall(raw))}
        name = said.get("stream", "")
        key = conn, name
        if "@depth" in name and "pu" in said:
            yield LINKED, key, ids(said["U"], said["u"], previous=int(said["pu"]))
        elif "@depth" in name:
            yield CONTIGUOUS, key, ids(said["U"], said["u"])
        elif "@trade" in name:
            yield CONTIGUOUS, key, ids(said["t"])
        elif "@aggTrade" in name:
            yield CONTIGUOUS, key, ids(said["a"])
        elif "@bookTicker" in name:
            yield RISING, key, ids(said["u"])


def counted(name: str) -> Reading:
    """Every frame of a connection carries a count of this name."""

    def read(received: Iterator[tuple[str, str]]) -> Iterator[Said]:
        for conn, frame in json_of(received, f'"{name}"'):
            yield COUNTER, conn, ids(frame[name])

    return read


def ascendex(received: Iterator[tuple[str, str]]) -> Iterator[Said]:
    for conn, frame in json_of(received, '"m":"depth"'):
        yield CONTIGUOUS, (conn, frame["symbol"]), ids(frame["data"]["seqnum"])


def bequant(received: Iterator[tuple[str, str]]) -> Iterator[Said]:
    for conn, frame in json_of(received, 'rderbook"'):
        if "params" in frame:
            said = frame["params"]
            yield CONTIGUOUS, (conn, said["symbol"]), ids(said["sequence"])


def bitfinex(received: Iterator[tuple[str, str]]) -> Iterator[Said]:
    for conn, frame in json_of(received, "["):
        if isinstance(frame, list):
            yield COUNTER, conn, ids(frame[-1])


def bitflyer(received: Iterator[tuple[str, str]]) -> Iterator[Said]:
    for conn, frame in json_of(received, "lightning_executions"):
        for trade in frame.get("params", {}).get("message", ()):
            yield CONTIGUOUS, (conn, frame["params"]["channel"]), ids(trade["id"])


def bitstamp(received: Iterator[tuple[str, str]]) -> Iterator[Said]:
    for conn, frame in json_of(received, '"microtimestamp"'):
        if frame["event"] == "data":
            yield RISING, (conn, frame["channel"]), ids(frame["data"]["microtimestamp"])


def bybit(received: Iterator[tuple[str, str]]) -> Iterator[Said]:
    for conn, frame in json_of(received, '"orderbook.'):
        if "data" in frame:
            key = conn, frame["topic"]
            if frame["type"] == "snapshot":
                yield CONTIGUOUS, key, None
            yield CONTIGUOUS, key, ids(frame["data"]["u"])
            yield RISING, (*key, "seq"), ids(frame["data"]["seq"])


def coinbase(received: Iterator[tuple[str, str]]) -> Iterator[Said]:
    for conn, frame in json_of(received, '"sequence_num"'):
        yield COUNTER, conn, ids(frame["sequence_num"])
        for event in frame["events"]:
            # Newest first.
            for trade in reversed(event.get("trades", ())):
                yield CONTIGUOUS, (conn, trade["product_id"], event["type"]), ids(trade["trade_id"])


def deribit(received: Iterator[tuple[str, str]]) -> Iterator[Said]:
    for conn, frame in json_of(received, '"change_id"'):
        said = frame["params"]["data"]
        yield LINKED, (conn, said["instrument_name"]), ids(said["change_id"], previous=said.get("prev_change_id"))


def fmfw(received: Iterator[tuple[str, str]]) -> Iterator[Said]:
    for conn, frame in json_of(received, '"ch":"orderbook/full"'):
        for said in (frame.get("snapshot", {}), frame.get("update", {})):
            for symbol, book in said.items():
                yield CONTIGUOUS, (conn, symbol), ids(book["s"])


def gateio(received: Iterator[tuple[str, str]]) -> Iterator[Said]:
    for conn, frame in json_of(received, '"depthUpdate"'):
        said = frame["result"]
        yield CONTIGUOUS, (conn, said["s"]), ids(said["U"], said["u"])


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
                yield CONTIGUOUS, key, None
            yield CONTIGUOUS, key, ids(frame["seq"])


def kucoin(received: Iterator[tuple[str, str]]) -> Iterator[Said]:
    for conn, frame in json_of(received, '"sequenceStart"'):
        said = frame["data"]
        yield CONTIGUOUS, (conn, said["symbol"]), ids(said["sequenceStart"], said["sequenceEnd"])


def okx(received: Iterator[tuple[str, str]]) -> Iterator[Said]:
    for conn, frame in json_of(received, '"channel":"books"'):
        for said in frame.get("data", ()):
            yield RISING, (conn, frame["arg"]["instId"]), ids(said["ts"])


def poloniex(received: Iterator[tuple[str, str]]) -> Iterator[Said]:
    for conn, frame in json_of(received, '"lastId"'):
        for said in frame["data"]:
            previous = None if frame["action"] == "snapshot" else said["lastId"]
            yield LINKED, (conn, said["symbol"]), ids(said["id"], previous=previous)


def upbit(received: Iterator[tuple[str, str]]) -> Iterator[Said]:
    for conn, frame in json_of(received, '"sid"'):
        yield RISING, (conn, frame["cd"]), ids(frame["sid"])


def unverifiable(received: Iterator[tuple[str, str]]) -> Iterator[Said]:
    for conn, _raw in received:
        yield UNVERIFIABLE, conn, Ids(0, 0)


READINGS: dict[str, Reading] = {
    "ascendex": ascendex,
    "bequant": bequant,
    "binance_coinm": binance,
    "binance_spot": binance,
    "binance_usdm": binance,
    "bitfinex": bitfinex,
    "bitflyer": bitflyer,
    "bithumb": unverifiable,
    "bitmex": unverifiable,
    "bitstamp": bitstamp,
    "blockchain": counted("seqnum"),
    "bybit": bybit,
    "coinbase": coinbase,
    "cryptocom": unverifiable,
    "deribit": deribit,
    "dydx": counted("message_id"),
    "fmfw": fmfw,
    "gateio": gateio,
    "gemini": gemini,
    "huobi": huobi,
    "hyperliquid": hyperliquid,
    "kraken": unverifiable,
    "kraken_futures": kraken_futures,
    "kucoin": kucoin,
    "okx": okx,
    "poloniex": poloniex,
    "upbit": upbit,
}
"""By the recording's folder. Kraken's books have checksums instead."""


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


def kraken_checksums(received: Iterator[tuple[str, str]]) -> Iterator[Break | None]:
    """Of version 1, judged after each update."""
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
            yield checksums.judge(int(sent), checksums.kraken(*book.best(1000)))
