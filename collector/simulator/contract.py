"""What a futures market has beside books and trades: mark prices, funding, liquidations, open interest. Seeded, without a clock.

Source: https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams
"""

import random
from collections.abc import Iterator
from typing import Final

from collector.simulator.market import Market, Message
from collector.simulator.messages import decimal

FUNDING_MS: Final = 8 * 3_600_000
LIQUIDATIONS_PER_MINUTE: Final = 4.0
PARTS: Final = 1_000
"""Of a price, by one of which the mark price differs at most from the last best prices."""


class Contract:
    """The contract on one symbol's market; it draws from a series of its own, so the market stays the same without it."""

    def __init__(self, market: Market, seed: int) -> None:
        """Follow this market."""
        self._market = market
        self._random = random.Random(f"{seed}:{market.symbol}:contract")
        self._open_interest = self._random.randrange(10**7, 10**8)
        self._rate = self._random.randrange(-2_000, 10_000)

    @property
    def open_interest(self) -> str:
        """In the base currency."""
        return decimal(self._open_interest * self._market.scale.step)

    def second(self, at_ms: int) -> Iterator[Message]:
        """What one second brings: a mark price, and now and then a liquidation."""
        self._open_interest += self._random.randrange(-5_000, 5_000)
        self._rate += self._random.randrange(-10, 11)
        yield self._message("markPrice@1s", self._mark(at_ms))
        if self._random.random() < LIQUIDATIONS_PER_MINUTE / 60:
            yield self._message("forceOrder", self._liquidation(at_ms))

    def _mark(self, at_ms: int) -> str:
        (bid, _), (ask, _) = self._market.book.best()
        index = (bid + ask) * self._market.scale.tick // 2
        mark = index + index * self._random.randrange(-PARTS, PARTS + 1) // PARTS**2
        sign, rate = "-" if self._rate < 0 else "", decimal(abs(self._rate))
        return (
            f'{{"e":"markPriceUpdate","E":{at_ms},"s":"{self._market.symbol}","p":"{decimal(mark)}","ap":"{decimal(mark)}",'
            f'"P":"{decimal(index)}","i":"{decimal(index)}","r":"{sign}{rate}","T":{(at_ms // FUNDING_MS + 1) * FUNDING_MS}}}'
        )

    def _liquidation(self, at_ms: int) -> str:
        bid, ask = self._market.book.best()
        side, (level, _) = self._random.choice((("SELL", bid), ("BUY", ask)))
        size = decimal(self._random.randrange(1, 10**6) * self._market.scale.step)
        price = decimal(level * self._market.scale.tick)
        return (
            f'{{"e":"forceOrder","E":{at_ms},"o":{{"s":"{self._market.symbol}","S":"{side}","o":"LIMIT","f":"IOC",'
            f'"q":"{size}","p":"{price}","ap":"{price}","X":"FILLED","l":"{size}","z":"{size}","T":{at_ms - 1}}}}}'
        )

    def _message(self, channel: str, data: str) -> Message:
        return Message(f"{self._market.symbol.lower()}@{channel}", data)
