import importlib.util
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import pytest
from msgspec.structs import replace

from collector.config import ArchiveConfig, Config, FeedConfig, HttpConfig, JournalConfig, RepairConfig
from collector.config.model import NatsConfig
from collector.domain.errors import ConfigError
from collector.read.demo_mark import write_mark
from collector.storage.locks import supervisor_lock
from collector.supervision.preflight import check, doubts, require_usable
from tests.bus.conftest import nats_server
from tests.bus.servers import NatsServer
from tests.fixed_response_server import FixedResponseServer
from tests.seaweed import ADMIN, Seaweed

__all__ = ["nats_server"]

ROOT = Path(__file__).resolve().parents[2]


def config(folder: Path, seaweed: Seaweed, bucket: str, **archive: object) -> Config:
    return Config(
        data_dir=folder,
        journal=JournalConfig(min_free_bytes=0),
        archive=ArchiveConfig(url=f"s3://{bucket}", endpoint_url=seaweed.endpoint_url, **archive),  # type: ignore[arg-type]
        http=HttpConfig(port=0),
    )


def test_a_check_says_how_to_mend_a_missing_bucket(seaweed: Seaweed, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        check(config(tmp_path, seaweed, "not-there"))
    (line,) = caught.value.problems
    assert line.startswith("archive.url: s3://not-there takes no objects: ")
    assert line.endswith(
        f"make it with 'aws s3 mb s3://not-there --endpoint-url {seaweed.endpoint_url}', or set archive.create_bucket = true"
    )


def test_a_check_tells_of_copies(seaweed: Seaweed, tmp_path: Path) -> None:
    lines = check(config(tmp_path, seaweed, seaweed.new_bucket(), local_days=7))
    assert f"          a copy of the last 7 days in {tmp_path / 'local'}" in lines


def test_a_check_makes_the_bucket_if_it_shall(seaweed: Seaweed, tmp_path: Path) -> None:
    lines = check(config(tmp_path, seaweed, "made-by-the-check", create_bucket=True))
    assert f"archive   s3://made-by-the-check at {seaweed.endpoint_url}" in lines
    assert seaweed.admin.head_bucket(Bucket="made-by-the-check")


def test_a_store_that_refuses_everything_does_not_prevent_the_start(seaweed: Seaweed, tmp_path: Path) -> None:
    require_usable(config(tmp_path, seaweed, "not-there"))


def test_a_check_of_a_server_that_is_no_store_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ADMIN.items():
        monkeypatch.setenv(name, value)
    with FixedResponseServer(301, {"Content-Length": "0"}) as server:
        env = {
            "COLLECTOR_DATA_DIR": str(tmp_path),
            "COLLECTOR_ARCHIVE__URL": "s3://bucket",
            "COLLECTOR_HTTP__PORT": "0",
        }
        done = subprocess.run(
            [sys.executable, ROOT / "supervisor.py", "--check"],
            env={**os.environ, **env, "COLLECTOR_ARCHIVE__ENDPOINT_URL": server.endpoint_url},
            cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120,
        encoding="utf-8")  # fmt: skip
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if "archive.url" in line]
    assert "check archive.region and archive.endpoint_url" in line
    assert "Traceback" not in done.stderr


def archive_problems(data_dir: Path, archive: Path) -> list[str]:
    try:
        require_usable(Config(data_dir=data_dir, archive=ArchiveConfig(url=archive.as_uri())))
    except ConfigError as error:
        return error.problems
    return []


@pytest.mark.parametrize(
    "place",
    ["staging", "segments/deep/er", "journal", "quarantine", "run", "repair", ".", "..", "link", "archive/../staging"],
)
def test_an_archive_among_files_that_the_recorder_removes_is_refused(tmp_path: Path, place: str) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    (data_dir / "link").symlink_to(data_dir / "staging")
    (line,) = archive_problems(data_dir, data_dir / place)
    assert line.startswith("archive.url: ")


def test_an_archive_below_the_data_directory_or_beside_it_is_well_placed(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    for place in (data_dir / "archive", data_dir / "staging-2", tmp_path / "archive"):
        assert archive_problems(data_dir, place) == []


def test_copies_of_an_archive_on_this_machine_are_refused(tmp_path: Path) -> None:
    for url in ("", (tmp_path / "elsewhere").as_uri()):
        archive = ArchiveConfig(url=url, local_days=7)
        with pytest.raises(ConfigError) as caught:
            require_usable(Config(data_dir=tmp_path / "data", archive=archive))
        (line,) = caught.value.problems
        assert line.startswith("archive.local_days = 7: ")
        assert line.endswith("it is for a bucket")


def test_copies_beside_files_of_somebody_else_are_refused(tmp_path: Path) -> None:
    settings = Config(data_dir=tmp_path, archive=ArchiveConfig(url="s3://bucket", local_days=7))
    require_usable(settings)
    (tmp_path / "local").mkdir()
    require_usable(settings)
    (tmp_path / "local" / "mine").touch()
    with pytest.raises(ConfigError, match=r"archive.local_days = 7: .*local holds other files"):
        require_usable(settings)


def test_the_folders_of_a_recorder_may_be_links_but_not_into_the_archive(tmp_path: Path) -> None:
    data_dir, archive = tmp_path / "data", tmp_path / "archive"
    data_dir.mkdir()
    (data_dir / "staging").symlink_to(archive / "staging")
    (line,) = archive_problems(data_dir, archive)
    assert "the recorder's own files" in line


def test_the_supervisor_has_no_use_for_boto3(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from collector.supervision.commands import run; from collector.config import *\n"
        "from collector.processes.archive_store import open_archive\n"
        f"config = Config(data_dir=Path({str(tmp_path)!r}), archive=ArchiveConfig(url='s3://bucket'))\n"
        "run.require_usable(config); open_archive(Config())\n"
        "print([name for name in ('boto3', 'botocore', 'urllib3') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60, encoding="utf-8"
    )
    assert done.stdout.strip() == "[]"


def http_problems(data_dir: Path, host: str, port: int) -> list[str]:
    try:
        check(Config(data_dir=data_dir, journal=JournalConfig(min_free_bytes=0), http=HttpConfig(host=host, port=port)))
    except ConfigError as error:
        return error.problems
    return []


def test_a_check_tells_where_nothing_can_listen(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert http_problems(tmp_path, "127.0.0.1", port) == [
            f"http.port: 127.0.0.1:{port} is taken by another program; end that one, or choose another port"
        ]
        assert http_problems(tmp_path, "127.0.0.1", 0) == []
        # 192.0.2.0/24 is for documentation (RFC 5737).
        assert http_problems(tmp_path, "192.0.2.1", port) == ["http.host: 192.0.2.1 is not an address of this machine"]
    assert http_problems(tmp_path, "127.0.0.1", port) == []


def test_what_a_recorder_goes_on_without_is_told_and_no_folder_is_left(tmp_path: Path) -> None:
    archive = tmp_path / "new" / "archive"
    with socket.create_server(("127.0.0.1", 0)) as other:
        wanted = Config(
            data_dir=tmp_path,
            archive=ArchiveConfig(url=archive.as_uri()),
            http=HttpConfig(port=other.getsockname()[1]),
        )
        (problem,) = doubts(wanted)
    assert problem.startswith("http.port: ")
    assert doubts(wanted) == []
    assert list(tmp_path.iterdir()) == []
    archive.parent.write_text("no folder", "utf-8")
    (problem,) = doubts(wanted)
    assert problem.startswith(f"archive.url: {archive.as_uri()} takes no objects: ")


def test_a_check_tells_of_a_host_that_has_no_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert http_problems(tmp_path, "recorder", 9464) == [
        "http.host: recorder cannot be resolved on this machine: Name or service not known"
    ]


def test_a_port_that_the_running_recorder_itself_holds_is_no_trouble(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as own, supervisor_lock(tmp_path) as lock:
        assert lock.try_acquire()
        port = own.getsockname()[1]
        assert http_problems(tmp_path, "127.0.0.1", port) == []
        assert http_problems(tmp_path / "of-another", "127.0.0.1", port) != []


def test_a_proxy_that_is_none_is_one_line_unless_its_hosts_are_excepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in {"https_proxy": "socks5://me:secret@proxy:1080", "no_proxy": ""}.items():
        monkeypatch.setenv(name, text)
        monkeypatch.delenv(name.upper(), raising=False)
    with pytest.raises(ConfigError) as caught:
        require_usable(Config(data_dir=tmp_path))
    assert caught.value.problems == [
        "https_proxy: is not an HTTP proxy; must be like http://[user:password@]host[:port]"
    ]

    monkeypatch.setenv("no_proxy", "stream.binance.com, api.binance.com")
    require_usable(Config(data_dir=tmp_path))


def test_a_check_names_the_recorder_that_runs_on_this_data_directory(tmp_path: Path) -> None:
    settings = Config(data_dir=tmp_path, journal=JournalConfig(min_free_bytes=0), http=HttpConfig(port=0))
    with supervisor_lock(tmp_path) as lock:
        assert lock.try_acquire()
        running = f"a recorder is running on this data_dir (pid {os.getpid()}): another one cannot start"
        assert check(settings)[-1] == f"note      {running}"
    assert [line for line in check(settings) if "running" in line] == []


def test_a_recorder_refuses_the_recording_of_a_demo(tmp_path: Path) -> None:
    write_mark(tmp_path, [])
    with pytest.raises(ConfigError) as caught:
        require_usable(Config(data_dir=tmp_path))
    assert caught.value.problems == [f"data_dir: {tmp_path} holds a demo's recording; choose another"]
    assert [path.name for path in tmp_path.iterdir()] == ["demo.json"]


def several_hosts(folder: Path, role: Literal["edge", "storage"], *urls: str, **nats: Any) -> Config:
    return Config(
        data_dir=folder,
        role=role,
        nats=NatsConfig(urls=urls, **{"replicas": 1, "stream_max_bytes": 1 << 20, **nats}),
        journal=JournalConfig(min_free_bytes=0),
        http=HttpConfig(port=0),
        feed=(FeedConfig(symbols=("BTCUSDT",), data_types=("trade",), ws_url="ws://127.0.0.1:1"),),
        repair=RepairConfig(enabled=False),
    )


def test_a_check_of_an_edge_asks_the_nats_servers_and_leaves_archives_alone(
    tmp_path: Path, nats_server: NatsServer
) -> None:
    config = several_hosts(tmp_path / "data", "edge", nats_server.url)
    lines = check(replace(config, archive=ArchiveConfig(url="s3://nobody-has-it", endpoint_url="http://127.0.0.1:1")))
    assert lines[1] == "role      edge"
    assert any(line.startswith(f"nats      {nats_server.url}: nats-server ") for line in lines)
    assert not any(line.startswith("archive") for line in lines)
    assert any(line.endswith("= 1 streams on 1 connections") for line in lines)
    assert not (tmp_path / "data").exists()


def test_a_check_of_a_storage_host_asks_store_and_servers(tmp_path: Path, nats_server: NatsServer) -> None:
    lines = check(several_hosts(tmp_path / "data", "storage", nats_server.url))
    assert any(line.endswith("= 1 streams from edges") for line in lines)
    assert any(line.startswith("archive   file:///") for line in lines)
    bad = several_hosts(tmp_path / "data", "storage", nats_server.url, replicas=3)
    archive = ArchiveConfig(url="s3://bucket", endpoint_url="http://127.0.0.1:1")
    with pytest.raises(ConfigError) as caught:
        check(replace(bad, archive=archive))
    assert [problem.partition(" ")[0] for problem in caught.value.problems] == ["archive.url:", "nats.replicas"]


def test_a_host_without_the_client_of_nats_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(ConfigError) as caught:
        require_usable(several_hosts(tmp_path, "edge", "nats://127.0.0.1:1", credentials_file="/not/there"))
    assert caught.value.problems == [
        "role = 'edge': needs nats-py, which is not installed: pip install 'market-data-collector[hosts]'",
        "nats.credentials_file: /not/there cannot be read: No such file or directory",
    ]
    require_usable(Config(data_dir=tmp_path))
