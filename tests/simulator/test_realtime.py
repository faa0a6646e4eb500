from collections import Counter

import pytest

from collector.simulator.market import Market
from collector.simulator.realtime import TICK_SECS, TICKS_PER_BEAT, PacedMarket


def frames_by_beat(rate: float, seed: int, beats: int) -> list[int]:
    paced = PacedMarket(Market("BTCUSDT", seed), rate, seed)
    counts = []
    for beat in range(beats):
        events = sum(paced.events(TICK_SECS) for _ in range(TICKS_PER_BEAT))
        counts.append(len(paced.market.step(100 * beat, events)))
        paced.next_beat()
    return counts


@pytest.mark.parametrize(("rate", "secs"), [(5, 600), (50, 120), (1000, 20)])
def test_a_market_sends_about_as_many_frames_as_asked(rate: float, secs: int) -> None:
    sent = sum(frames_by_beat(rate, seed=1, beats=10 * secs))
    assert 0.8 * rate < sent / secs < 1.2 * rate


def test_some_steps_are_quiet_and_some_are_busy() -> None:
    counts = Counter(frames_by_beat(200, seed=2, beats=300))
    assert counts[0] > 10
    assert max(counts) > 40
