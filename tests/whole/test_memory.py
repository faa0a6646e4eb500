"""Memory stays bounded whatever piles up: a small version of `tests/bench/bench_memory.py`."""

from pathlib import Path

from tests.bench.bench_memory import archive_hour, pile_up

MOST_BYTES = 250_000_000


def test_no_process_grows_behind_a_stopped_writer(tmp_path: Path) -> None:
    pile = pile_up(tmp_path, 300_000, symbol_count=60, connections=1)
    assert set(pile.peaks_bytes) == {"supervisor", "ingest:binance", "writer", "archiver"}
    assert {name: peak for name, peak in pile.peaks_bytes.items() if peak > MOST_BYTES} == {}
    assert pile.drained_per_sec > pile.arrived_per_sec, "it catches up"
    assert pile.stored == pile.sent


def test_a_segment_of_many_streams_is_archived_in_bounded_memory(tmp_path: Path) -> None:
    done = archive_hour(tmp_path, 200_000, segments=1, symbol_count=100)
    assert done.objects == 300
    assert done.peak_bytes < MOST_BYTES
