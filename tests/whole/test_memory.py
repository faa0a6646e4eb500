"""Memory stays bounded whatever piles up: a small version of `tests/bench/bench_memory.py`."""

from pathlib import Path

from tests.bench.bench_memory import archive_hour, pile_up
from tests.whole.running import Exchange, Recorder

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


def test_no_process_at_rest_has_loaded_a_library_that_it_does_not_use(tmp_path: Path) -> None:
    exchange = Exchange(tmp_path, "--rate", "1", log=False)
    feed = {"symbols": ["BTCUSDT"], "data_types": ["trade"], "rest_url": exchange.rest_url}
    recorder = Recorder(tmp_path, exchange.ws_url, feed=feed).start()
    try:
        recorder.wait_for_messages(1)
        loaded = {name: libraries(recorder.pid_of(name)) for name in ("ingest:binance", "repair", "writer", "archiver")}
    finally:
        recorder.end()
        exchange.stop()
    unused = {"libarrow", "_pydantic_core", "_asyncio", "_psutil_linux"}
    assert {name: found & unused for name, found in loaded.items() if found & unused} == {}
    assert "_core" in loaded["ingest:binance"], "libraries (this one is of msgspec) are seen"


def libraries(pid: int) -> set[str]:
    """The names of the shared objects that a process has mapped, up to their first dot."""
    lines = Path(f"/proc/{pid}/maps").read_text("utf-8").splitlines()
    return {line.rpartition("/")[2].partition(".")[0] for line in lines if ".so" in line}
