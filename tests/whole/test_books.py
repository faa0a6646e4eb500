"""A recording with its REST snapshot, played with a hole in it: the archive's books agree with the exchange."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.whole.running import ROOT, Exchange, Recorder, payloads_in_segments, wait_for


def test_books_can_be_rebuilt_before_and_after_a_hole(
    shared_data: Path, exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    recording = shared_data / "frames/binance_spot/hftbacktest_btcusdt_20240808.jsonl.zst"
    source = exchange("--replay", str(recording), "--speed", "8")
    feed = {"symbols": ["BTCUSDT"], "data_types": ["book_delta", "book_ticker"], "rest_url": source.rest_url}
    recorded = recorder(source.ws_url, feed=feed, segment={"interval_secs": 86_400}).start()
    before = wait_for(lambda: snapshots(recorded))
    source.fault(kind="drop", stream="btcusdt@depth@100ms", next=2)
    wait_for(lambda: snapshots(recorded) > before)
    assert recorded.stop() == 0
    tool = [sys.executable, str(ROOT / "scripts/check_books.py"), str(recorded.data_dir / "archive"), "--json"]
    done = subprocess.run(tool, capture_output=True, text=True, check=False, timeout=60, encoding="utf-8")
    assert (done.returncode, done.stderr) == (0, "")
    (book,) = json.loads(done.stdout)["books"]
    assert book["equal"] > 0
    assert book["different"] == 0
    assert [stretch["why"] for stretch in book["first_stretches"]] == [
        "no snapshot yet",
        "updates are missing, or a number in one cannot be read",
    ]
    assert [row["line"] for row in recorded.table("book_delta") if row["is_snapshot"]] == [-1, -1]


def snapshots(recorded: Recorder) -> int:
    """How many books that came over REST are stored; 0 also while a segment is in the making."""
    try:
        return sum(text.startswith(b'{"lastUpdateId":') for text in payloads_in_segments(recorded.data_dir))
    except sqlite3.OperationalError:
        return 0
