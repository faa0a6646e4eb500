"""cryptofeed: books kept, trades and best prices, each update a line of JSON in a file that is flushed.

Its own Binance feed, but for three things: it is told where the exchange is, it takes plain trades for aggregated ones,
as that is what was recorded, and its books begin empty, just before the first update, in place of a REST snapshot.
"""

import asyncio
import json
import os
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from cryptofeed import FeedHandler
from cryptofeed.connection import WebsocketEndpoint
from cryptofeed.defines import L2_BOOK, TICKER, TRADES
from cryptofeed.exchanges import Binance
from cryptofeed.symbols import Symbols
from cryptofeed.types import OrderBook
from telling import stay, task, tell, tell_process, tell_stored

BATCH = 10_000
BATCH_SECS = 1.0
NAMES = {"BTC-USDT": "BTCUSDT", "ETH-USDT": "ETHUSDT"}


class Lines:
    """The file; a batch is as large and as old as those of the others."""

    def __init__(self, path: Path, messages: int) -> None:
        self._path = path
        self._file = path.open("w", encoding="utf-8")
        self._messages = messages
        self._written = self._flushed = 0
        self._due = time.monotonic() + BATCH_SECS

    async def write(self, update: Any, received: float) -> None:
        """One line."""
        content = update.to_dict(numeric_type=str, delta=True) if isinstance(update, OrderBook) else update.to_dict(str)
        content["received"] = received
        self._file.write(json.dumps(content) + "\n")
        self._written += 1
        is_last = self._written == self._messages
        if is_last or self._written - self._flushed >= BATCH or time.monotonic() >= self._due:
            self._flush()
        if is_last:
            self._end()

    def _flush(self) -> None:
        self._file.flush()
        self._flushed = self._written
        self._due = time.monotonic() + BATCH_SECS
        tell_stored(self._written)

    def _end(self) -> None:
        with self._path.open(encoding="utf-8") as lines:
            tell(done=sum(1 for _ in lines))
        stay()
        os._exit(0)  # its loop would connect again


class Recorded(Binance):
    """The exchange of the benchmark."""

    websocket_channels = {**Binance.websocket_channels, TRADES: "trade"}  # noqa: RUF012 -- as its base has it

    async def subscribe(self, conn: Any) -> None:
        """Connected."""
        await super().subscribe(conn)
        tell(ready=True)

    async def message_handler(self, msg: str, conn: Any, timestamp: float) -> None:
        """A trade has the names of an aggregated one."""
        if '"e":"trade"' in msg:
            msg = msg.replace('"e":"trade"', '"e":"aggTrade"', 1).replace('"t":', '"a":', 1)
        await super().message_handler(msg, conn, timestamp)

    async def _snapshot(self, pair: str) -> None:
        name = self.exchange_symbol_to_std_symbol(pair)
        self.last_update_id[name] = 0
        self._l2_book[name] = OrderBook(self.id, name, max_depth=self.max_depth, bids={}, asks={})


def main() -> None:
    """Until the last line is flushed."""
    given = task()
    tell_process("cryptofeed")
    base = given.url.partition("/stream")[0]
    Recorded.websocket_endpoints = [WebsocketEndpoint(base, options={"compression": None, "ping_interval": None})]
    Symbols.set(Recorded.id, NAMES, {"tick_size": defaultdict(str), "instrument_type": defaultdict(str)})
    handler = FeedHandler(config={"log": {"disabled": True}, "uvloop": True})
    lines = Lines(given.folder / "updates.jsonl", given.messages)
    callbacks = {L2_BOOK: lines.write, TRADES: lines.write, TICKER: lines.write}
    handler.add_feed(Recorded(symbols=[*NAMES], channels=[L2_BOOK, TRADES, TICKER], callbacks=callbacks))
    asyncio.set_event_loop(asyncio.new_event_loop())  # uvloop makes none by itself
    handler.run(install_signal_handlers=False)


if __name__ == "__main__":
    main()
