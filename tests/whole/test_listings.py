"""What an exchange lists while the recorder runs: taken up and dropped by real processes, with nothing lost."""

import os
import signal
from collections.abc import Callable
from typing import Any

from tests.json_server import JsonServer
from tests.whole.running import PATIENT, Exchange, Recorder, get_json, wait_for


def messages_of(recorded: Recorder) -> dict[str, int]:
    """Stored messages by symbol."""
    status = recorded.status() or {"streams": []}
    return {each["symbol"]: each["messages"] for each in status["streams"]}


def changes(recorded: Recorder) -> list[tuple[list[str], list[str]]]:
    return [(line["joined"], line["left"]) for line in recorded.logged("symbols_changed")]


def more_than(recorded: Recorder, symbol: str, count: int) -> bool:
    return recorded.alive() and messages_of(recorded).get(symbol, 0) > count


def wait_for_more(recorded: Recorder, symbol: str, count: int) -> None:
    seen = wait_for(lambda: messages_of(recorded).get(symbol, 0))
    wait_for(lambda: more_than(recorded, symbol, seen + count))


def test_listings_come_and_go_while_everything_else_is_recorded_whole(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    market = exchange("--symbols", "AAAUSDT,BBBUSDT,NEWUSDT,AAAUSDC")
    listed = {"AAAUSDT", "BBBUSDT", "AAAUSDC"}

    def answer(target: str) -> Any:
        said = get_json(f"{market.rest_url}{target}")
        if "exchangeInfo" in target:
            said["symbols"] = [each for each in said["symbols"] if each["symbol"] in listed]
        return said

    with JsonServer(answer) as rest:
        feed = {"symbols": ["*USDT"], "data_types": ["trade"], "rest_url": rest.url}
        ingest = {**PATIENT["ingest"], "symbols_refresh_secs": 1}
        recorded = recorder(market.ws_url, feed=feed, ingest=ingest, silence=PATIENT["silence"]).start()
        wait_for(lambda: more_than(recorded, "AAAUSDT", 0) and more_than(recorded, "BBBUSDT", 0))
        assert set(messages_of(recorded)) == {"AAAUSDT", "BBBUSDT"}

        listed.add("NEWUSDT")
        wait_for(lambda: more_than(recorded, "NEWUSDT", 0))
        assert market.stats()["connections_total"] == 2
        assert changes(recorded) == [(["NEWUSDT"], [])]

        writer = recorded.pid_of("writer")
        os.kill(writer, signal.SIGKILL)
        listed.remove("BBBUSDT")
        wait_for(lambda: len(changes(recorded)) == 2 and recorded.pid_of("writer") != writer)
        wait_for_more(recorded, "AAAUSDT", 50)
        assert changes(recorded)[1] == ([], ["BBBUSDT"])
        assert market.stats()["connections_total"] == 2
        assert recorded.stop() == 0
        assert recorded.losses() == []
        assert recorded.table("undecoded") == []
        assert whole(recorded, "AAAUSDT", "NEWUSDT")

        recorded.start()
        killed = recorded.pid_of("ingest:binance")
        wait_for(lambda: more_than(recorded, "NEWUSDT", 0))
        os.kill(killed, signal.SIGKILL)
        wait_for(lambda: recorded.pid_of("ingest:binance") != killed)
        wait_for_more(recorded, "NEWUSDT", 50)
        assert recorded.stop() == 0
    assert {row["stream_type"] for row in recorded.losses("BBBUSDT")} == set()


def whole(recorded: Recorder, *symbols: str) -> bool:
    """Whether the ids of the archive's trades have no hole, and none comes twice."""
    ids = [sorted(int(row["trade_id"]) for row in recorded.table("trade", symbol)) for symbol in symbols]
    return all(known and known == list(range(known[0], known[-1] + 1)) for known in ids)
