"""The duplicate filter finds only the known breaks in recordings of every exchange."""

from collections import Counter
from pathlib import Path

import pytest

from collector.domain.records import IdRule
from collector.domain.sequence.dedup import DuplicateFilter
from collector.domain.sequence.stream_progress import StreamProgress
from collector.domain.sequence.verdict import Verdict
from tests.domain.sequence.recordings import READINGS, WITHOUT_IDS, frames, kraken_checksums

FOUND = {
    "bitflyer": {Verdict.AHEAD: 11},
    "dydx": {Verdict.AHEAD: 1, Verdict.LATE: 10},
    "hyperliquid": {Verdict.CONFLICT: 1},
    "upbit": {Verdict.BACK: 6},
}
"""What is not new and next. BitFlyer's ids are shared by products; dYdX sends ten messages behind others, and loses none;
of Hyperliquid's books two have one time; Upbit's trades step back."""

MISSING = {"bitflyer": 59}


@pytest.mark.parametrize("exchange", READINGS)
def test_each_exchanges_ids_obey_their_rule_but_for_known_breaks(data: Path, exchange: str) -> None:
    verdicts, missing = Counter[Verdict](), 0
    for path in sorted((data / "frames" / exchange).iterdir()):
        filters: dict[object, DuplicateFilter] = {}
        for place, (rule, series, ids) in enumerate(READINGS[exchange](frames(path))):
            if ids is None:
                filters.pop(series, None)
                continue
            if series not in filters:
                filters[series] = DuplicateFilter(rule=rule, overlap_secs=0.0, progress=StreamProgress(), recent={})
            verdicts[filters[series].judge(ids.last, ids.first, None, 0, place)] += 1
        missing += sum(hole.missing for filter_ in filters.values() for hole in filter_.progress.holes)
    assert verdicts.pop(Verdict.NEW) > 0
    assert verdicts == FOUND.get(exchange, {})
    assert missing == MISSING.get(exchange, 0)


def test_a_complete_book_has_the_checksum_the_exchange_sent(data: Path) -> None:
    (path,) = (data / "frames" / "kraken").iterdir()
    received = list(frames(path))
    found = list(kraken_checksums(iter(received)))
    assert len(found) > 2_700
    assert all(found)
    lost = next(n for n, (_, raw) in enumerate(received) if '"book-1000"' in raw and '"c"' in raw)
    found = list(kraken_checksums(iter(received[:lost] + received[lost + 1 :])))
    assert not all(found)


def test_what_came_out_of_order_fills_its_hole(data: Path) -> None:
    (path,) = (data / "frames" / "dydx").iterdir()
    stream = DuplicateFilter(rule=IdRule.DENSE, overlap_secs=0.0, progress=StreamProgress(), recent={})
    verdicts = Counter(stream.judge(ids.last, None, None, 0, 0) for _, _, ids in READINGS["dydx"](frames(path)) if ids)
    assert (verdicts[Verdict.AHEAD], verdicts[Verdict.LATE]) == (1, 10)
    assert stream.holes.settle(0, all_due=True) == []


def test_every_recording_is_read(data: Path) -> None:
    assert {path.name for path in (data / "frames").iterdir()} == {*READINGS, *WITHOUT_IDS}
