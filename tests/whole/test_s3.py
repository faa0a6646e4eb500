"""The whole recorder with a bucket as its archive: what the exchange sent is in it, once, and the bucket verifies."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from collector.storage.store.directory import DirectoryStore
from tests.s3_imitation import BUCKET, S3Imitation, backblaze
from tests.seaweed import ADMIN, Seaweed, environment
from tests.whole.running import ROOT, Exchange, Recorder, wait_for

SYMBOLS = ["BTCUSDT", "ETHUSDT"]
TYPES = ["book_snapshot", "book_delta", "trade"]
LIVE = ("--symbols", ",".join(SYMBOLS), "--rate", "300", "--seed", "7")


def bucket_of(server: Seaweed | S3Imitation, name: str, **archive: Any) -> dict[str, Any]:
    """What makes a recorder keep everything in that bucket, as text too, in segments of two seconds."""
    return {
        "feed": {"symbols": SYMBOLS, "data_types": TYPES},
        "segment": {"interval_secs": 2},
        "archive": {
            "url": f"s3://{name}/lake",
            "endpoint_url": server.endpoint_url,
            "keep_raw": True,
            "retry_max_delay_secs": 1,
            **archive,
        },
        "environment": environment(**ADMIN),
    }


@pytest.fixture
def absent_seaweed(tmp_path: Path, aws_alone: None) -> Iterator[Seaweed]:
    """A server that was not started yet."""
    server = Seaweed(tmp_path / "seaweed")
    yield server
    server.remove()


def tool(server: Seaweed | S3Imitation, name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / name), *map(str, arguments)]
    variables = environment(**ADMIN, COLLECTOR_ARCHIVE__ENDPOINT_URL=server.endpoint_url)
    return subprocess.run(
        command, env=variables, capture_output=True, text=True, timeout=60, check=False, encoding="utf-8"
    )


def assert_holds_what_was_sent(
    server: Seaweed | S3Imitation, bucket: str, recorded: Recorder, source: Exchange
) -> None:
    """Verify the bucket row by row, bring it back, and compare it with what the exchange sent."""
    verified = tool(server, "verify_archive.py", f"s3://{bucket}/lake", "--deep")
    assert (verified.returncode, verified.stderr) == (0, ""), verified.stdout
    local = recorded.data_dir / "archive"
    restored = tool(server, "restore.py", f"s3://{bucket}/lake", "--from", "2000-01-01", "--to", "2100-01-01", local)
    assert restored.returncode == 0, restored.stderr
    sent = [line["raw"] for line in source.sent() if "event" not in line and "raw" in line]
    assert sorted(row["raw"] for data_type in TYPES for row in recorded.table(data_type)) == sorted(sent)


def test_a_late_server_and_then_a_late_bucket_get_everything(
    absent_seaweed: Seaweed, exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    source = exchange(*LIVE)
    recorded = recorder(source.ws_url, **bucket_of(absent_seaweed, "made-by-hand")).start()
    wait_for(lambda: recorded.alive() and len(recorded.logged("segment_replaced")) >= 2)
    assert ["Could not connect" in line["error"] for line in recorded.logged("store_away")] == [True]
    waiting = wait_for(lambda: (found := recorded.status()["archive"])["backlog_segments"] >= 2 and found)
    assert waiting["state"] == "away"
    absent_seaweed.start()
    wait_for(lambda: recorded.alive() and recorded.logged("store_refuses"))
    assert "aws s3 mb s3://made-by-hand" in recorded.logged("store_refuses")[0]["error"]
    assert recorded.logged("segment_archived") == []
    absent_seaweed.admin.create_bucket(Bucket="made-by-hand")
    wait_for(lambda: recorded.alive() and len(recorded.logged("segment_archived")) >= 2)
    assert recorded.stop() == 0
    source.stop()
    assert_holds_what_was_sent(absent_seaweed, "made-by-hand", recorded, source)


def test_two_hosts_with_one_name_can_share_a_bucket(
    seaweed: Seaweed, exchange: Callable[..., Exchange], tmp_path: Path
) -> None:
    bucket = seaweed.new_bucket()
    source = exchange(*LIVE)
    settings = bucket_of(seaweed, bucket)
    settings["environment"]["HOME_SERVER_NAME"] = "same"
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    hosts = [Recorder(tmp_path / name, source.ws_url, **settings) for name in ("one", "two")]
    try:
        for host in hosts:
            host.start()
        wait_for(lambda: all(host.alive() and len(host.logged("segment_archived")) >= 2 for host in hosts))
        assert [host.stop() for host in hosts] == [0, 0]
    finally:
        for host in hosts:
            host.end()
    source.stop()
    for host in hosts:
        assert host.logged("store_away") == host.logged("store_refuses") == []
        assert ADMIN["AWS_SECRET_ACCESS_KEY"] not in host.log_path.read_text("utf-8")
    segments = [{line["segment"] for line in host.logged("segment_archived")} for host in hosts]
    assert segments[0].isdisjoint(segments[1])
    assert_holds_what_was_sent(seaweed, bucket, hosts[0], source)
    assert {path.name.partition("-")[0] for path in hosts[0].data_dir.glob("archive/_manifest/*/*.json")} == {"same"}


def has_archived(recorded: Recorder, segments: int) -> bool:
    return recorded.alive() and len(recorded.logged("segment_archived")) >= segments


def test_what_went_to_the_bucket_stays_for_some_days_although_the_archiver_is_killed(
    seaweed: Seaweed, exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    bucket = seaweed.new_bucket()
    source = exchange(*LIVE)
    recorded = recorder(source.ws_url, **bucket_of(seaweed, bucket, local_days=1)).start()
    for archived in (1, 3, 5):
        wait_for(partial(has_archived, recorded, archived))
        os.kill(recorded.pid_of("archiver"), signal.SIGKILL)
    assert recorded.stop() == 0
    source.stop()
    assert recorded.logged("local_copy_failed") == recorded.logged("local_copies_refused") == []
    local, lake = DirectoryStore(recorded.data_dir / "local"), seaweed.store(bucket, "lake")
    assert list(local.keys("")) == list(lake.keys(""))
    assert {key: local.read(key) for key in local.keys("")} == {key: lake.read(key) for key in lake.keys("")}
    assert_holds_what_was_sent(seaweed, bucket, recorded, source)


def test_a_stop_with_upload_on_stop_logs_what_it_could_not_upload(
    absent_seaweed: Seaweed, exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    source = exchange(*LIVE)
    settings = bucket_of(absent_seaweed, "late", upload_on_stop=True, create_bucket=True)
    recorded = recorder(source.ws_url, **settings, supervisor={"stop_timeout_secs": 10}).start()
    wait_for(lambda: recorded.alive() and recorded.logged("segment_replaced"))
    assert recorded.stop() == 5
    (left,) = recorded.logged("segments_not_uploaded")
    assert len(left["ids"]) == left["segments"] >= 2
    absent_seaweed.start()
    again = recorder(source.ws_url, **settings).start()
    wait_for(lambda: again.alive() and len(again.logged("recording")) == 2)
    assert again.stop() == 0
    archived = {line["segment"] for line in again.logged("segment_archived")}
    assert set(left["ids"]) <= archived
    source.stop()
    assert_holds_what_was_sent(absent_seaweed, "late", again, source)


def test_a_store_without_amazons_checksums_gets_everything(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder], aws_alone: None
) -> None:
    with S3Imitation(backblaze) as server:
        source = exchange(*LIVE)
        recorded = recorder(source.ws_url, **bucket_of(server, BUCKET)).start()
        wait_for(lambda: recorded.alive() and len(recorded.logged("segment_archived")) >= 2)
        assert recorded.stop() == 0
        source.stop()

        (told,) = recorded.logged("store_asked_otherwise")
        assert "objects are uploaded with Content-MD5 and read back" in told["text"]
        assert_holds_what_was_sent(server, BUCKET, recorded, source)
