"""Runs the markets in real time, at about the requested rate. Like an exchange, it never waits for a reader."""

import asyncio
import random
import time
from typing import Final

from collector.simulator.contract import Contract
from collector.simulator.fanout import Fanout
from collector.simulator.frames import combined
from collector.simulator.listings import Listings
from collector.simulator.market import Market, Message

TICK_SECS: Final = 0.01
TICKS_PER_BEAT: Final = 10
TICKS_PER_SECOND: Final = 100
LONGEST_LAG_SECS: Final = 0.2
FRAMES_PER_EVENT: Final = 1.4
"""Average number of trades, aggregates and best prices that a market event causes."""
BURSTS: Final = (0.0, 0.5, 0.5, 1.0, 1.0, 1.5, 2.5)
"""Factors of the event rate, one of which each beat draws; their mean is 1."""


def events_per_sec(rate: float) -> float:
    """Market events a second that make about `rate` frames a second; each beat with events adds two frames."""
    beats_per_sec = 1 / (TICK_SECS * TICKS_PER_BEAT)
    sparse = rate / (2 + FRAMES_PER_EVENT)
    return sparse if sparse <= beats_per_sec else (rate - 2 * beats_per_sec) / FRAMES_PER_EVENT


class PacedMarket:
    """A market, and how many of its events are due."""

    def __init__(self, market: Market, rate: float, seed: int) -> None:
        """Run `market` at about `rate` frames a second."""
        self.market = market
        self._events_per_sec = events_per_sec(rate)
        self._random = random.Random(f"{seed}:{market.symbol}:tape")
        self._burst = 1.0
        self._pending = self._random.random()

    def events(self, secs: float) -> int:
        """How many events happen in the next `secs` seconds."""
        self._pending += self._events_per_sec * self._burst * secs
        whole = int(self._pending)
        self._pending -= whole
        return whole

    def next_beat(self) -> None:
        """Draw how busy the next beat is."""
        self._burst = self._random.choice(BURSTS)


async def run_markets(listings: Listings, rate: float, seed: int, fanout: Fanout) -> None:
    """Run the markets that trade until cancelled, each at about `rate` frames a second."""
    paces: dict[str, PacedMarket] = {}
    tick, last = 0, time.monotonic()
    while True:
        await asyncio.sleep(max(0.0, last + TICK_SECS - time.monotonic()))
        now = time.monotonic()
        lag, last, tick = min(now - last, LONGEST_LAG_SECS), now, tick + 1
        at_ms = time.time_ns() // 1_000_000
        for listed in listings.trading:
            symbol = listed.market.symbol
            if symbol not in paces:
                paces[symbol] = PacedMarket(listed.market, rate, seed)
            sent = _happened(paces[symbol], listed.contract, tick, lag, at_ms)
            fanout.publish([combined(*message) for message in sent])


def _happened(paced: PacedMarket, contract: Contract, tick: int, secs: float, at_ms: int) -> list[Message]:
    sent = paced.market.happen(at_ms, paced.events(secs))
    if tick % TICKS_PER_BEAT == 0:
        sent += paced.market.beat(at_ms)
        paced.next_beat()
    if tick % TICKS_PER_SECOND == 0:
        sent += contract.second(at_ms)
    return sent
