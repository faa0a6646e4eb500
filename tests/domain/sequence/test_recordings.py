"""The rules on every recording: nothing is found, but where a recording is known to break."""

from collections import Counter, defaultdict
from pathlib import Path

import pytest

from collector.domain.records import IdRule
from collector.domain.sequence.dedup import DuplicateFilter, Verdict
from collector.domain.sequence.rules import Mark
from collector.domain.sequence.stream_progress import StreamProgress
from tests.domain.sequence.recordings import READINGS, frames, kraken_checksums

BREAKS = {
    "bitflyer": {"sequence": 11},
    "dydx": {"sequence": 1, "out_of_order": 10},
    "hyperliquid": {"out_of_order": 1},
    "upbit": {"out_of_order": 6},
}
"""BitFlyer's ids are shared by products; dYdX sends ten messages behind others, and loses none; of Hyperliquid's books
two have one time; Upbit's trades step back."""

MISSING = {"bitflyer": 59, "dydx": 10}


@pytest.mark.parametrize("exchange", READINGS)
def test_a_rule_finds_what_is_known_to_break_and_nothing_else(data: Path, exchange: str) -> None:
    kinds, missing, judged = Counter[str](), 0, 0
    for path in sorted((data / "frames" / exchange).iterdir()):
        marks: defaultdict[object, Mark] = defaultdict(Mark)
        for rule, key, ids in READINGS[exchange](frames(path)):
            if ids is None:
                marks.pop(key, None)
                continue
            judged += 1
            found = rule.judge(marks[key], ids)
            if found is not None:
                kinds[found.kind] += 1
                missing += found.missing or 0
    assert judged > 0
    assert kinds == BREAKS.get(exchange, {})
    assert missing == MISSING.get(exchange, 0)


def test_a_book_kept_from_every_message_has_the_checksum_the_exchange_sent(data: Path) -> None:
    (path,) = (data / "frames" / "kraken").iterdir()
    received = list(frames(path))
    found = list(kraken_checksums(iter(received)))
    assert len(found) > 2_700
    assert not any(found)
    lost = next(n for n, (_, raw) in enumerate(received) if '"book-1000"' in raw and '"c"' in raw)
    found = list(kraken_checksums(iter(received[:lost] + received[lost + 1 :])))
    assert {broken.kind for broken in found if broken} == {"checksum"}


def test_what_came_out_of_order_fills_its_hole(data: Path) -> None:
    (path,) = (data / "frames" / "dydx").iterdir()
    memory = DuplicateFilter(rule=IdRule.DENSE, overlap_secs=0.0, progress=StreamProgress(), recent={})
    verdicts = Counter(memory.judge(ids.last, None, None, 0, 0) for _, _, ids in READINGS["dydx"](frames(path)) if ids)
    assert (verdicts[Verdict.AHEAD], verdicts[Verdict.LATE]) == (1, 10)
    assert memory.holes.settle(0, all_due=True) == []


def test_every_recording_is_read(data: Path) -> None:
    assert {path.name for path in (data / "frames").iterdir()} == set(READINGS)
