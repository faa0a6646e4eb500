"""A whole recorder that keeps tables, whose tabler is killed: at the end they have each archived file once."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.storage.table.tabled import Tabled
from tests.whole.running import Exchange, Recorder, wait_for


def commits(recorder: Recorder) -> list[dict[str, Any]]:
    lines = map(json.loads, recorder.log_path.read_text("utf-8").splitlines())
    return [line for line in lines if line["event"] == "tables_committed"]


def test_the_tables_have_what_was_archived_though_the_tabler_is_killed(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder], tmp_path: Path
) -> None:
    source = exchange("--symbols", "BTCUSDT,ETHUSDT", "--rate", "100")
    catalog = f"sqlite:///{tmp_path}/data/tables.db"
    recorded = recorder(
        source.ws_url,
        feed={"symbols": ["BTCUSDT", "ETHUSDT"]},
        segment={"interval_secs": 2},
        table={"catalog": catalog},
    )
    recorded.start()
    wait_for(lambda: len(commits(recorded)) > 0)
    pid = recorded.pid_of("tabler")
    os.kill(pid, signal.SIGKILL)
    before = len(commits(recorded))
    wait_for(lambda: recorded.alive() and recorded.pid_of("tabler") != pid)
    wait_for(lambda: len(commits(recorded)) > before)
    assert recorded.stop() == 0
    tabled = Tabled(recorded.data_dir)
    assert tabled.files() == tabled.wanted()
    assert {name for name, _ in tabled.tables.all()} >= {"trade", "book_delta"}
    assert set(tabled.rows()["symbol"].to_pylist()) == {"BTCUSDT", "ETHUSDT"}
    assert (tmp_path / "data/tables/done.json").exists()
