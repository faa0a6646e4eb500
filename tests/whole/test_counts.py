"""However often the writer is killed, the recorder's own counts say what is in the archive, to the message."""

import os
import re
import signal
from collections import Counter
from collections.abc import Callable

from tests.whole.running import PATIENT, Exchange, Recorder, fetch, wait_for
from tests.whole.test_stopping import LIVE, SYMBOLS, TYPES, data_frames

KILLS = 6
MORE = 300
STORED = re.compile(
    r'^collector_messages_stored_total\{exchange="binance",symbol="(\w+)",data_type="(\w+)"\} (\S+)$', re.MULTILINE
)
Counts = Counter[tuple[str, str]]


def by_metrics(recorded: Recorder) -> Counts:
    """Messages stored, by symbol and data type, as /metrics says."""
    code, text = fetch(f"http://127.0.0.1:{recorded.port}/metrics")
    assert code == 200
    return Counter(
        {(symbol, data_type): int(float(count)) for symbol, data_type, count in STORED.findall(text.decode())}
    )


def by_archive(recorded: Recorder) -> Counts:
    """Rows of the archive."""
    keys = [(symbol, data_type) for symbol in SYMBOLS for data_type in TYPES]
    return Counter({(symbol, data_type): len(recorded.table(data_type, symbol)) for symbol, data_type in keys})


def test_counts_are_exact_however_often_the_writer_is_killed(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    source = exchange(*LIVE)
    feed = {"symbols": SYMBOLS, "data_types": TYPES}
    recorded = recorder(source.ws_url, feed=feed, writer={"batch_interval_secs": 0.1}, **PATIENT).start()
    for _ in range(KILLS):
        recorded.wait_for_messages(recorded.messages() + MORE)
        os.kill(recorded.pid_of("writer"), signal.SIGKILL)
    recorded.wait_for_messages(recorded.messages() + MORE)
    source.stop()
    sent = len(data_frames(source))
    wait_for(lambda: recorded.alive() and recorded.status()["writer"]["stored"] >= sent)
    status, metrics = recorded.status(), by_metrics(recorded)
    assert recorded.stop() == 0
    archived = by_archive(recorded)
    assert archived.total() == sent
    assert (status["writer"]["stored"], status["writer"]["messages"]) == (sent, sent)
    assert Counter({(row["symbol"], row["data_type"]): row["stored"] for row in status["streams"]}) == archived
    assert Counter({(row["symbol"], row["data_type"]): row["messages"] for row in status["streams"]}) == archived
    assert metrics == archived
    assert len([line for line in recorded.logged("process_died") if line["child"] == "writer"]) == KILLS
