"""Runs the markets in real time, at about the wished-for rate. It never waits for a reader: an exchange does not."""

import asyncio
import random
import time
from collections.abc import Sequence
from typing import Final

from collector.simulator.fanout import Fanout
from collector.simulator.frames import combined
from collector.simulator.market import Market

TICK_SECS: Final = 0.01
TICKS_PER_BEAT: Final = 10
LONGEST_LAG_SECS: Final = 0.2
FRAMES_PER_EVENT: Final = 1.4
"""Trades, aggregates and best prices a market event causes, on average."""
BURSTS: Final = (0.0, 0.5, 0.5, 1.0, 1.0, 1.5, 2.5)
"""How much busier than usual a beat can be; their mean is 1."""


def events_per_sec(rate: float) -> float:
    """How many market events make about `rate` frames a second, when each beat that saw any adds two."""
    beats_per_sec = 1 / (TICK_SECS * TICKS_PER_BEAT)
    sparse = rate / (2 + FRAMES_PER_EVENT)
    return sparse if sparse <= beats_per_sec else (rate - 2 * beats_per_sec) / FRAMES_PER_EVENT


class Tape:
    """One market and the events it owes."""

    def __init__(self, market: Market, rate: float, seed: int) -> None:
        """Run `market` at about `rate` frames a second."""
        self.market = market
        self._events_per_sec = events_per_sec(rate)
        self._random = random.Random(f"{seed}:{market.symbol}:tape")
        self._burst = 1.0
        self._owed = self._random.random()

    def events(self, secs: float) -> int:
        """How many events happen in the next `secs`."""
        self._owed += self._events_per_sec * self._burst * secs
        whole = int(self._owed)
        self._owed -= whole
        return whole

    def next_beat(self) -> None:
        """Choose how busy the next beat is."""
        self._burst = self._random.choice(BURSTS)


async def trade(tapes: Sequence[Tape], fanout: Fanout) -> None:
    """Run for ever."""
    tick, last = 0, time.monotonic()
    while True:
        await asyncio.sleep(max(0.0, last + TICK_SECS - time.monotonic()))
        now = time.monotonic()
        lag, last, tick = min(now - last, LONGEST_LAG_SECS), now, tick + 1
        at_ms = time.time_ns() // 1_000_000
        for tape in tapes:
            sent = tape.market.happen(at_ms, tape.events(lag))
            if tick % TICKS_PER_BEAT == 0:
                sent += tape.market.beat(at_ms)
                tape.next_beat()
            fanout.publish([combined(*message) for message in sent])
