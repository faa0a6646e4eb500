"""`collector tail --follow` beside a real recorder that seals and archives all the time."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from tests.whole.running import DEADLINE_SECS, PATIENT, ROOT, Exchange, Recorder, wait_for

COMMIT_SECS = 0.5
NEWEST_WITHIN_SECS = COMMIT_SECS + 1.0


class Follower:
    """The command as a process, and what it printed, each line with its row's age then."""

    def __init__(self, config: Path) -> None:
        command = [sys.executable, "-m", "collector", "tail", "binance", "BTCUSDT", "trade"]
        self.process = subprocess.Popen(
            [*command, "-n", "1000000", "--follow", "--json", "--config", str(config)],
            cwd=ROOT, stdout=subprocess.PIPE, text=True, encoding="utf-8",
        )  # fmt: skip
        self.ids: list[int] = []
        self.ages: list[float] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            row = json.loads(line)
            self.ages.append((datetime.now(UTC) - datetime.fromisoformat(row["received_at"])).total_seconds())
            self.ids.append(int(row["trade_id"]))

    def interrupt(self) -> int:
        """Press Ctrl-C; returns the exit code once all output was read."""
        self.process.send_signal(signal.SIGINT)
        self._reader.join(DEADLINE_SECS)
        return self.process.wait(DEADLINE_SECS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(DEADLINE_SECS)
        self._reader.join(DEADLINE_SECS)
        assert self.process.stdout is not None
        self.process.stdout.close()


def test_each_message_is_shown_once_soon_and_in_order_while_segments_come_and_go(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    source = exchange("--symbols", "BTCUSDT", "--rate", "200")
    feed = {"symbols": ["BTCUSDT"], "data_types": ["trade"]}
    sections = {
        **PATIENT,
        "feed": feed,
        "writer": {"batch_interval_secs": COMMIT_SECS},
        "segment": {"interval_secs": 2},
    }
    recorded = recorder(source.ws_url, **sections).start()
    recorded.wait_for_messages(20)
    with Follower(recorded.config_path) as follower:
        wait_for(lambda: follower.ages and min(follower.ages) <= NEWEST_WITHIN_SECS)
        seen = len(follower.ids)
        wait_for(lambda: len(follower.ids) >= seen + 200)
        assert recorded.stop() == 0
        stored = [int(row["trade_id"]) for row in recorded.table("trade")]
        wait_for(lambda: len(follower.ids) >= len(stored))
        assert follower.interrupt() == 0
    assert len(list((recorded.data_dir / "archive").rglob("*.parquet"))) > 2
    assert follower.ids == stored == sorted(set(stored))
