"""Symbols, data types and lines change while it records: real processes, some of them killed meanwhile, and Parquet."""

import os
import signal
from collections.abc import Callable

from tests.whole.accounts import frames_sent, gaps_of, missing_frames, rows_of
from tests.whole.changing import Changing, account
from tests.whole.running import PATIENT, Exchange, Recorder, wait_for

SYMBOLS = tuple(f"S{number:02}USDT" for number in range(20))
STAYING = SYMBOLS[5:]


def begun(exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]) -> tuple[Exchange, Recorder, Changing]:
    market = exchange("--symbols", ",".join(SYMBOLS), "--rate", "20")
    ingest = {**PATIENT["ingest"], "reconnect_base_delay_secs": 0.2, "reconnect_max_delay_secs": 1}
    feed = {"symbols": list(SYMBOLS), "data_types": ["trade"]}
    recorded = recorder(market.ws_url, feed=feed, ingest=ingest, silence=PATIENT["silence"]).start()
    recorded.wait_for_messages(200)
    return market, recorded, Changing(recorded)


def kill(recorded: Recorder, role: str) -> None:
    """Kill the process, and wait for the next one."""
    pid = recorded.pid_of(role)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: recorded.alive() and recorded.pid_of(role) != pid)


def test_whatever_changes_the_rest_has_every_trade_once_and_no_gap_although_the_writer_is_killed(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    market, recorded, feed = begun(exchange, recorder)
    for number in range(2):
        feed.take(symbols=STAYING, lines=2)
        feed.configure(symbols=SYMBOLS, data_types=("trade", "agg_trade"))
        kill(recorded, "writer")
        feed.take(symbols=SYMBOLS, data_types=("trade", "agg_trade"))
        recorded.wait_for_messages(recorded.messages() + 400)
        feed.take(symbols=SYMBOLS, data_types=("trade",), lines=1)
        recorded.wait_for_messages(recorded.messages() + 400)
        assert len(recorded.logged("line_without_reader")) == 0, number
    assert recorded.stop() == 0
    market.stop()
    rest = account(recorded, STAYING)
    assert (rest.missing, rest.double, rest.gap_rows) == (0, 0, 0)
    returned = account(recorded, SYMBOLS[:5])
    assert returned.double == 0
    assert rows_of(recorded.data_dir / "archive", "undecoded") == []
    assert rows_of(recorded.data_dir / "archive", "agg_trade")


def test_lines_and_address_change_and_every_frame_is_archived_once(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    market = exchange("--symbols", "AAAUSDT,BBBUSDT", "--rate", "100")
    of_feed = {"symbols": ["AAAUSDT", "BBBUSDT"], "data_types": ["trade", "book_ticker", "book_snapshot"]}
    # Nothing is asked over REST, so that what was missing would stay missing.
    settings = {**PATIENT, "repair": {"enabled": False}, "archive": {"keep_raw": True}}
    recorded = recorder(market.ws_url, feed=of_feed, **settings).start()
    recorded.wait_for_messages(200)
    feed = Changing(recorded)
    for url in (market.ws_url.replace("127.0.0.1", "localhost"), market.ws_url):
        feed.take(lines=2)
        recorded.wait_for_messages(recorded.messages() + 200)
        feed.take(ws_url=url)
        recorded.wait_for_messages(recorded.messages() + 200)
        feed.take(lines=1)
        recorded.wait_for_messages(recorded.messages() + 200)
    kill(recorded, "writer")
    assert recorded.stop() == 0
    market.stop()
    assert missing_frames(frames_sent(market), recorded.data_dir / "archive") == []
    assert gaps_of(recorded.data_dir / "archive") == []


def test_what_leaves_and_does_not_return_has_no_gap_either(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    _, recorded, feed = begun(exchange, recorder)
    feed.take(symbols=STAYING)
    recorded.wait_for_messages(recorded.messages() + 400)
    assert recorded.stop() == 0
    every = account(recorded, SYMBOLS)
    assert (every.missing, every.double, every.gap_rows) == (0, 0, 0)


def test_ingest_that_is_killed_in_a_change_begins_by_the_newest_configuration_and_says_what_is_missing(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    _, recorded, feed = begun(exchange, recorder)
    feed.take(symbols=STAYING)
    number = feed.configure(symbols=SYMBOLS, data_types=("trade", "agg_trade"))
    kill(recorded, "ingest:binance")
    wait_for(lambda: recorded.alive() and feed.works_by() == number)
    recorded.wait_for_messages(recorded.messages() + 400)
    assert recorded.stop() == 0
    assert account(recorded, SYMBOLS).double == 0
    gaps = [row for row in gaps_of(recorded.data_dir / "archive") if row["symbol"] in STAYING]
    said = sum(row["missing"] or 0 for row in gaps if row["stream_type"] == "trade")
    assert said == account(recorded, STAYING).missing
    assert rows_of(recorded.data_dir / "archive", "undecoded") == []
