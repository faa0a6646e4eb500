"""Garbage on the wire is kept whole, counted and noted, and stops nothing."""

import base64
from collections.abc import Callable

from collector.simulator.fault import FORMS
from tests.whole.running import Exchange, Recorder, wait_for

FEED = {"symbols": ["BTCUSDT"], "data_types": ["book_delta", "trade"]}


def test_every_kind_of_bad_frame_becomes_an_undecoded_row(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    source = exchange("--symbols", "BTCUSDT", "--rate", "200")
    recorded = recorder(source.ws_url, feed=FEED).start()
    recorded.wait_for_messages(100)
    for form in FORMS:
        source.fault(kind="malformed", form=form, next=3)
    wait_for(lambda: recorded.status()["writer"]["undecodable"] >= 3 * len(FORMS))
    recorded.wait_for_messages(recorded.messages() + 100)
    assert recorded.stop() == 0
    source.stop()
    bad = [
        base64.b64decode(line["b64"]) if "b64" in line else line["raw"].encode()
        for line in source.sent()
        if line.get("fault") == "malformed"
    ]
    rows = recorded.table("undecoded")
    assert [row["frame"] for row in rows] == bad
    assert all(row["reason"] for row in rows)
    gaps = recorded.losses()
    assert {(gap["gap_id"], gap["kind"], gap["cause"]) for gap in gaps} == {(gaps[0]["gap_id"], "undecodable", "parse")}
    last = max(gaps, key=lambda gap: gap["detected_at"])
    assert (last["missing"], last["status"]) == (len(bad), "unrepairable")
    assert last["ended_at"] is not None
    assert 1 <= len(recorded.logged("frame_undecodable")) <= 2
    good = [line for line in source.sent() if "event" not in line and line.get("fault") != "malformed"]
    assert recorded.dataset_rows() == len(good) + len(bad)


def test_a_misspelt_stream_is_silent_and_disturbs_nothing(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    source = exchange("--symbols", "BTCUSDT", "--rate", "200")
    feed = {"symbols": ["BTCUSDT", "BTCUSDX"], "data_types": ["trade"]}
    recorded = recorder(source.ws_url, feed=feed).start()
    recorded.wait_for_messages(50)
    assert recorded.stop() == 0
    assert recorded.table("trade", "BTCUSDX") == []
