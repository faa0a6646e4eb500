"""What a soak reads of the files that were left."""

import json
from pathlib import Path
from typing import Any

from tests.soak.evidence import Ids, Stream
from tests.soak.reading import Recorded, SentFrames, digest, ids_of, stream_of

TRADES, DELTA, SNAPSHOT = (
    Stream("BTCUSDT", "trade"),
    Stream("BTCUSDT", "book_delta"),
    Stream("BTCUSDT", "book_snapshot"),
)


def frame(name: str, **data: Any) -> str:
    return json.dumps({"stream": name, "data": data}, separators=(",", ":"))


def line(connection: int, at_us: int, **fields: Any) -> dict[str, Any]:
    return {"at_ns": at_us * 1_000, "connection": connection, **fields}


def test_streams_are_read_from_the_exchanges_stream_names() -> None:
    assert stream_of("btcusdt@depth20@100ms") == SNAPSHOT
    assert stream_of("btcusdt@depth@100ms") == DELTA
    assert stream_of("btcusdt@kline_1m") is None


def test_a_frame_spans_the_ids_that_prove_its_continuity() -> None:
    assert ids_of(DELTA, frame("btcusdt@depth@100ms", U=5, u=9)) == Ids(5, 9)
    assert ids_of(TRADES, frame("btcusdt@trade", t=7)) == Ids(7, 7)
    assert ids_of(SNAPSHOT, frame("btcusdt@depth20@100ms", lastUpdateId=9)) is None


def test_a_frame_sent_to_two_connections_is_one_frame_with_two_places() -> None:
    raw = frame("btcusdt@trade", t=7)
    log = SentFrames(lambda stream: "all")
    for number in (1, 2):
        log.take(line(number, number, event="connect", path="/stream?streams=btcusdt@trade/btcusdt@depth@100ms"))
        log.take(line(number, 10 * number, stream="btcusdt@trade", raw=raw))
    log.take(line(1, 30, event="close", why="client gone", code=None))
    (sent,) = log.sent[TRADES]
    assert (sent.digest, sent.ids, sent.at_us, sent.size_bytes) == (digest(raw), Ids(7, 7), 10, len(raw))
    first, second = log.connections
    assert first.frames == second.frames == [(TRADES, sent)]
    assert (first.opened_us, first.closed_us, first.feed) == (1, 30, "all")


def test_a_dropped_frame_does_not_count_as_sent() -> None:
    log = SentFrames(lambda stream: "all")
    log.take(line(1, 1, event="connect", path="/stream?streams=btcusdt@trade"))
    log.take(line(1, 2, event="dropped", why="closed", stream="btcusdt@trade", raw=frame("btcusdt@trade", t=7)))
    assert log.sent == {}


def test_the_ids_a_recording_leaves_out_are_found(tmp_path: Path) -> None:
    recording = tmp_path / "frames.jsonl"
    frames = [frame("btcusdt@trade", t=number) for number in (3, 4, 7)]
    frames += [frame("btcusdt@kline_1m"), frame("btcusdt@depth20@100ms", lastUpdateId=9)]
    recording.write_text(
        "".join(json.dumps({"recv_ts_us": 0, "dir": "in", "raw": raw}) + "\n" for raw in frames), "utf-8"
    )
    assert Recorded([recording]).breaks == {TRADES: [Ids(5, 6)], SNAPSHOT: []}
