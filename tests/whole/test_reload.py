"""Settings change while it records: whoever they do not concern goes on, nothing is missing, and no gap row says so."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from collector.supervision.control import Control, Request
from tests.ports import keep_port, port_of
from tests.seaweed import RECORDER
from tests.whole.accounts import frames_sent, gaps_of, missing_frames, rows_of
from tests.whole.running import DEADLINE_SECS, PATIENT, ROOT, Exchange, Recorder, wait_for

SPOT = {"name": "spot", "symbols": ["BTCUSDT", "ETHUSDT"], "data_types": ["trade", "agg_trade"]}
MORE = {"name": "more", "symbols": ["SOLUSDT"], "data_types": ["trade"]}
LIVE = ("--rate", "300", "--symbols", "BTCUSDT,ETHUSDT,SOLUSDT")
LONE: dict[str, Any] = {**PATIENT, "repair": {"enabled": False}}
"""The recorder asks the exchange nothing over REST."""

TIMES = 5

Start = Callable[..., Recorder]


def settings(**changes: Any) -> dict[str, Any]:
    """Frames are archived with their text."""
    return {**LONE, "feed": [SPOT], **changes, "archive": {"keep_raw": True, **changes.get("archive", {})}}


@pytest.fixture
def source(exchange: Callable[..., Exchange]) -> Exchange:
    return exchange(*LIVE)


@pytest.fixture
def started(source: Exchange, recorder: Callable[..., Recorder]) -> Start:
    """Start a recorder with these settings, and wait until it stores."""

    def start(**options: Any) -> Recorder:
        # In a session of its own it has no terminal, whoever runs the tests.
        recorded = recorder(source.ws_url, **settings(**options)).start(start_new_session=True)
        recorded.wait_for_messages(50)
        return recorded

    return start


def reload(recorded: Recorder, *arguments: str) -> tuple[int, list[str]]:
    """The command's exit code, and the lines it prints."""
    given = arguments if "--data-dir" in arguments else ("--config", str(recorded.config_path), *arguments)
    command = [sys.executable, "-m", "collector", "reload", *given]
    done = subprocess.run(
        command, cwd=ROOT, env=recorded.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        timeout=2 * DEADLINE_SECS, check=False, encoding="utf-8",
    )  # fmt: skip
    return done.returncode, done.stdout.splitlines()


def asked(recorded: Recorder) -> subprocess.Popen[bytes]:
    """A reload that is on its way."""
    command = [sys.executable, "-m", "collector", "reload", "--json", "--data-dir", str(recorded.data_dir)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, env=recorded.environment)


def answered(asking: subprocess.Popen[bytes]) -> Any:
    return json.loads(asking.communicate(timeout=2 * DEADLINE_SECS)[0])


def pids(recorded: Recorder) -> dict[str, int]:
    return {process["name"]: process["pid"] for process in recorded.status()["processes"]}


def speaks(recorded: Recorder, symbol: str) -> None:
    """Wait until more of this symbol is stored than now."""

    def stored() -> int:
        return sum(row["messages"] for row in recorded.status()["streams"] if row["symbol"] == symbol)

    before = stored()
    wait_for(lambda: recorded.alive() and stored() > before)


def goes_on(recorded: Recorder) -> None:
    """Wait until more is stored than now."""
    recorded.wait_for_messages(recorded.messages() + 100)


def assert_whole(recorded: Recorder, source: Exchange) -> list[dict[str, Any]]:
    """Stop both: whatever was sent is archived, and no process died. Returns the gaps."""
    assert recorded.stop() == 0
    source.stop()
    assert missing_frames(frames_sent(source), recorded.data_dir / "archive") == []
    assert [recorded.logged(event) for event in ("process_died", "process_forced_to_leave")] == [[], []]
    return gaps_of(recorded.data_dir / "archive")


def test_settings_of_writer_archiver_and_log_change_while_the_connections_stand(
    source: Exchange, started: Start
) -> None:
    recorded = started()
    before = pids(recorded)
    recorded.configure(
        **settings(
            writer={"batch_interval_secs": 0.2, "max_batch_size": 50},
            archive={"compression_level": 9},
            log={"level": "debug"},
        )
    )
    code, lines = reload(recorded)
    assert (code, lines) == (
        0,
        [
            f"read: {recorded.config_path}",
            "writer.batch_interval_secs: 0.5 -> 0.2",
            "writer.max_batch_size: 10000 -> 50",
            "archive.compression_level: 3 -> 9",
            'log.level: "info" -> "debug"',
            "process: writer is renewed",
            "process: archiver is renewed",
            "process: ingest:spot goes on",
        ],
    )
    goes_on(recorded)
    after = pids(recorded)
    assert {name for name in before if before[name] != after[name]} == {"writer", "archiver"}
    assert {process["restarts"] for process in recorded.status()["processes"]} == {0}
    assert recorded.status()["writer"]["batch_limit"] <= 50
    assert assert_whole(recorded, source) == []


def test_the_log_changes_its_form_in_every_process_and_none_is_touched(source: Exchange, started: Start) -> None:
    recorded = started()
    before = pids(recorded)
    recorded.configure(**settings(log={"format": "text"}))
    assert reload(recorded) == (0, [f"read: {recorded.config_path}", 'log.format: "json" -> "text"'])
    goes_on(recorded)
    assert pids(recorded) == before
    assert assert_whole(recorded, source) == []
    said = recorded.log_path.read_text("utf-8")
    for process, event in (("supervisor", "stopped"), ("writer", "segment_sealed"), ("ingest:spot", "disconnected")):
        assert f" INFO  {process}  {event}" in said


def test_a_feed_is_added_and_removed_under_load_again_and_again_and_the_other_misses_nothing(
    source: Exchange, started: Start
) -> None:
    recorded = started()
    before = pids(recorded)
    for _ in range(TIMES):
        recorded.configure(**settings(feed=[SPOT, MORE]))
        code, lines = reload(recorded)
        assert (code, lines[1:]) == (
            0,
            [
                "feed more: added (binance; SOLUSDT; trade)", "process: ingest:more starts", "process: writer is renewed",
            ],
        )  # fmt: skip
        assert pids(recorded).keys() == {"supervisor", "ingest:spot", "ingest:more", "writer", "archiver"}
        speaks(recorded, "SOLUSDT")
        recorded.configure(**settings())
        code, lines = reload(recorded)
        assert (code, lines[1:]) == (
            0, ["feed more: removed", "process: ingest:more stops", "process: writer is renewed"],
        )  # fmt: skip
        assert pids(recorded).keys() == {"supervisor", "ingest:spot", "writer", "archiver"}
    goes_on(recorded)
    assert pids(recorded)["ingest:spot"] == before["ingest:spot"]
    assert recorded.status()["healthy"], recorded.status()["reasons"]
    assert assert_whole(recorded, source) == [], "nobody asked for it between its removal and its return"


def test_symbols_join_and_leave_a_feed_that_goes_on(source: Exchange, started: Start) -> None:
    spot = {**SPOT, "data_types": ["trade", "agg_trade", "book_delta"]}
    recorded = started(feed=[spot])
    before = pids(recorded)
    for symbols in (["BTCUSDT", "SOLUSDT"], ["BTCUSDT", "ETHUSDT"], ["BTCUSDT"]):
        recorded.configure(**settings(feed=[{**spot, "symbols": symbols, "lines": len(symbols)}]))
        code, lines = reload(recorded)
        assert code == 0
        assert lines[-2:] == ["process: writer is renewed", "process: ingest:spot goes on"]
        for symbol in symbols:
            speaks(recorded, symbol)
    assert pids(recorded)["ingest:spot"] == before["ingest:spot"]
    assert assert_whole(recorded, source) == [], "nobody asked for ETHUSDT while it was away"
    books = {(gap["kind"], gap["cause"]) for gap in rows_of(recorded.data_dir / "archive", "gap")}
    assert books == {("book_unknown", "restart")}, "nobody fetches books here: a stream that returns has none either"


def test_a_bad_configuration_is_refused_with_all_its_errors_and_nothing_changes(
    source: Exchange, started: Start
) -> None:
    recorded = started()
    before = pids(recorded)
    good = recorded.config_path.read_text("utf-8")
    recorded.config_path.write_text(
        good.replace("keep_raw = true", "keep_raw = 3\nbeta = 1") + "[book]\nx = 1", "utf-8"
    )
    by_file = reload(recorded)
    by_folder = reload(recorded, "--data-dir", str(recorded.data_dir))
    assert by_file[0] == by_folder[0] == 2
    assert by_file[1] == by_folder[1]
    assert [line.partition(" ")[0] for line in by_file[1]] == ["error:"] * 3
    code, lines = reload(recorded, "--json")
    shown = json.loads("\n".join(lines))
    assert (code, shown["state"]) == (2, "refused")
    assert [f"error: {problem}" for problem in shown["problems"]] == by_file[1]
    recorded.config_path.write_text("data_dir = [", "utf-8")
    code, lines = reload(recorded, "--data-dir", str(recorded.data_dir))
    assert (code, len(lines)) == (2, 1)
    assert "is not valid TOML" in lines[0]
    goes_on(recorded)
    assert pids(recorded) == before
    assert not list((recorded.data_dir / "run").glob("config-*"))
    assert len(recorded.logged("reload_refused")) == 2
    assert assert_whole(recorded, source) == []


def test_what_cannot_change_while_it_records_is_refused_by_name_and_whole(source: Exchange, started: Start) -> None:
    recorded = started(host_name="box")
    before = pids(recorded)
    elsewhere = recorded.data_dir.with_name("elsewhere")
    changed = recorded.config_path.read_text("utf-8").replace(str(recorded.data_dir), str(elsewhere))
    recorded.config_path.write_text(changed.replace('"box"', '"other"') + '[log]\nlevel = "debug"\n', "utf-8")
    code, lines = reload(recorded, "--data-dir", str(recorded.data_dir))
    assert code == 2
    assert [line.split()[1] for line in lines] == ["data_dir", "host_name"]
    assert all("cannot change while it records" in line for line in lines)
    code, lines = reload(recorded)
    assert (code, len(lines)) == (1, 1)
    assert lines[0].startswith(f"error: no recorder runs on {elsewhere}; data_dir cannot change while it records")
    assert not elsewhere.exists()
    assert pids(recorded) == before
    assert assert_whole(recorded, source) == []


def test_a_dry_run_shows_what_would_change_and_changes_nothing(source: Exchange, started: Start) -> None:
    recorded = started()
    before = pids(recorded)
    recorded.configure(**settings(feed=[SPOT, MORE], log={"level": "debug"}))
    code, lines = reload(recorded, "--dry-run")
    assert code == 0
    assert lines[1:] == [
        'log.level: "info" -> "debug"', "feed more: added (binance; SOLUSDT; trade)", "process: ingest:more starts",
        "process: writer is renewed", "dry run: nothing was changed",
    ]  # fmt: skip
    code, lines = reload(recorded, "--dry-run", "--json")
    shown = json.loads("\n".join(lines))
    assert (code, shown["state"], shown["dry_run"], shown["config_number"]) == (0, "done", True, 0)
    goes_on(recorded)
    assert pids(recorded) == before
    assert not list((recorded.data_dir / "run").glob("config-*"))
    assert recorded.logged("reloaded") == []
    assert assert_whole(recorded, source) == []


def test_a_hangup_reloads_where_no_terminal_can_hang_up(source: Exchange, started: Start) -> None:
    recorded = started()
    before = pids(recorded)
    recorded.configure(**settings(feed=[SPOT, MORE]))
    os.killpg(recorded.process.pid, signal.SIGHUP)
    wait_for(lambda: recorded.alive() and recorded.logged("reloaded"))
    (said,) = recorded.logged("reloaded")
    assert (said["config_number"], said["changes"], said["still"]) == (
        1, ["feed more: added (binance; SOLUSDT; trade)"], [],
    )  # fmt: skip
    wait_for(lambda: {name for name, pid in pids(recorded).items() if pid != before.get(name, pid)} == {"writer"})
    goes_on(recorded)
    assert assert_whole(recorded, source) == []


def test_without_a_recorder_one_line_says_so(source: Exchange, recorder: Callable[..., Recorder]) -> None:
    recorded = recorder(source.ws_url)
    code, lines = reload(recorded)
    assert (code, len(lines)) == (1, 1)
    assert lines[0].startswith(f"error: no recorder runs on {recorded.data_dir}; ")
    assert not recorded.data_dir.exists()
    code, lines = reload(recorded, "--data-dir", str(recorded.data_dir))
    assert (code, lines) == (1, [f"error: no recorder runs on {recorded.data_dir}"])


def test_two_requests_at_once_are_answered_one_after_the_other(source: Exchange, started: Start) -> None:
    recorded = started()
    recorded.configure(**settings(feed=[SPOT, MORE]))
    answers = [answered(one) for one in [asked(recorded) for _ in range(3)]]
    assert [answer["state"] for answer in answers] == ["done"] * 3
    assert sorted(len(answer["changes"]) for answer in answers) == [0, 0, 1]
    assert {answer["config_number"] for answer in answers} == {1}
    assert list((recorded.data_dir / "run" / "control").iterdir()) == []
    goes_on(recorded)
    assert assert_whole(recorded, source) == []


def test_a_stop_in_the_middle_of_a_reload_ends_in_order(source: Exchange, started: Start) -> None:
    recorded = started()
    recorded.configure(**settings(feed=[SPOT, MORE], archive={"compression_level": 9}))
    asking = asked(recorded)
    wait_for(lambda: list((recorded.data_dir / "run").glob("config-*.json")))
    assert assert_whole(recorded, source) == []
    assert answered(asking)["state"] in {"under_way", "refused", "done"}


def test_a_supervisor_killed_in_the_middle_of_a_reload_begins_with_what_the_file_says(started: Start) -> None:
    recorded = started()
    recorded.configure(**settings(feed=[SPOT, MORE]))
    asking = asked(recorded)
    wait_for(lambda: list((recorded.data_dir / "run").glob("config-*.json")))
    recorded.process.kill()
    recorded.process.wait(DEADLINE_SECS)
    control = Control(recorded.data_dir)
    waiting = control.ask(Request())
    recorded.start(start_new_session=True)
    answer = answered(asking)
    assert (answer["state"], answer["problems"]) == (
        "refused", ["the recorder that took the request ended before it answered: ask again"],
    )  # fmt: skip
    outlived = wait_for(lambda: control.answer_to(waiting))
    assert outlived is not None
    assert (outlived.state, outlived.changes) == ("done", []), "the request outlived who was to take it"
    assert recorded.pid_of("ingest:more")
    assert list((recorded.data_dir / "run").glob("config-*")) == []
    goes_on(recorded)
    assert recorded.stop() == 0


def test_a_process_that_dies_again_and_again_holds_up_nobody_and_is_tried_at_once_with_newer_settings(
    source: Exchange, started: Start
) -> None:
    patient = {"restart_base_delay_secs": 86_400, "restart_max_delay_secs": 86_400}
    recorded = started(supervisor=patient)
    before = pids(recorded)

    def states() -> dict[str, str]:
        return {process["name"]: process["state"] for process in recorded.status()["processes"]}

    def is_in_backoff() -> bool:
        (archiver,) = [process for process in recorded.status()["processes"] if process["name"] == "archiver"]
        if archiver["state"] == "running" and archiver["pid"]:
            with contextlib.suppress(ProcessLookupError):  # it is dead already
                os.kill(archiver["pid"], signal.SIGKILL)
        return bool(archiver["state"] == "backoff")

    wait_for(is_in_backoff)
    recorded.configure(**settings(feed=[SPOT, MORE], supervisor=patient))
    code, lines = reload(recorded)
    assert (code, [line for line in lines if "under way" in line]) == (0, [])
    assert states()["archiver"] == "backoff", "it is not concerned"
    recorded.configure(**settings(feed=[SPOT, MORE], archive={"compression_level": 9}))
    code, lines = reload(recorded)
    assert (code, [line for line in lines if "under way" in line]) == (0, [])
    assert set(states().values()) == {"running"}
    assert pids(recorded)["ingest:spot"] == before["ingest:spot"]
    goes_on(recorded)
    assert recorded.stop() == 0
    source.stop()
    assert missing_frames(frames_sent(source), recorded.data_dir / "archive") == []
    assert gaps_of(recorded.data_dir / "archive") == []


def warned(recorded: Recorder, *arguments: str) -> list[str]:
    """The warnings of a reload, and of a second one that changes nothing, in its text and in its JSON."""
    code, lines = reload(recorded, *arguments)
    assert code == 0
    shown = json.loads("\n".join(reload(recorded, "--json", *arguments)[1]))
    told = [line for line in lines if line.startswith("warning: ")]
    assert told == [f"warning: {text}; the recorder goes on, and tries again" for text in shown["warnings"]]
    assert shown["state"] == "done"
    return list(shown["warnings"])


def test_a_port_or_an_archive_that_cannot_be_used_is_warned_of_and_it_records_on(
    source: Exchange, started: Start, tmp_path: Path
) -> None:
    in_the_way = tmp_path / "in-the-way"
    in_the_way.write_text("no folder", "utf-8")
    archive = in_the_way / "archive"
    url = archive.as_uri()
    recorded = started()
    good = recorded.config_path.read_text("utf-8")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = port_of(taken)
        recorded.configure(**settings(archive={"url": url}, http={"port": port}))
        expected = [
            f"http.port: 127.0.0.1:{port} is taken by another program; end that one, or choose another port",
            f"archive.url: {url} takes no objects: {url}: [Errno 20] Not a directory: '{archive}'",
        ]
        assert warned(recorded, "--dry-run") == expected
        assert recorded.status()["healthy"], "nothing has changed yet"
        assert warned(recorded) == expected
        assert [said["warnings"] for said in recorded.logged("reloaded")] == [expected, expected]
    recorded.config_path.write_text(good, "utf-8")
    assert warned(recorded) == []
    goes_on(recorded)
    assert assert_whole(recorded, source) == []


def test_a_store_that_was_away_is_looked_at_at_once(started: Start) -> None:
    with keep_port() as closed:
        away = {"url": "s3://bucket/there", "region": "eu-central-1"}
        never = {"retry_base_delay_secs": 3_600, "retry_max_delay_secs": 3_600}
        at = {"endpoint_url": f"http://127.0.0.1:{port_of(closed)}"}
        recorded = started(archive={**away, **never, **at}, environment={**RECORDER, "no_proxy": "*"})
        wait_for(lambda: recorded.logged("store_away"))
        before = pids(recorded)
        code, lines = reload(recorded)
        assert (code, lines[1:3]) == (0, ["nothing differs from what it records by", "process: archiver is renewed"])
        (warning,) = lines[3:]
        assert warning.startswith("warning: archive.url: s3://bucket/there takes no objects: ")
        assert {name for name in before if before[name] != pids(recorded)[name]} == {"archiver"}
        wait_for(lambda: len(recorded.logged("store_away")) == 2)
        assert recorded.stop() == 0
