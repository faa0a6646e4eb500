"""A store whose name has several addresses, of which only one is any good."""

from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path

import pytest

from collector.domain.errors import StoreError, StoreRefusedError
from collector.storage.store import s3_client
from collector.storage.store.s3 import S3Store
from collector.storage.store.s3_options import S3Options
from tests.dial.half_dead import HalfDead
from tests.dial.names import NAME, DeadAddress, Names
from tests.fixed_response_server import FixedResponseServer
from tests.s3_imitation import BUCKET, Refusal, S3Imitation
from tests.seaweed import ADMIN, ALONE

LIVE = "127.0.0.4"
SERVER_ERROR = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**ALONE, **ADMIN}.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("hosts", [["127.0.0.2", "127.0.0.3", LIVE], [LIVE, "127.0.0.2"], ["::1", "127.0.0.2", LIVE]])
def test_requests_succeed_although_some_addresses_are_dead(monkeypatch: pytest.MonkeyPatch, hosts: list[str]) -> None:
    Names(monkeypatch).has(*hosts)
    with ExitStack() as undo:
        server = undo.enter_context(FixedResponseServer(404, {"Content-Length": "0"}, host=LIVE))
        for host in {*hosts} - {LIVE}:
            undo.callback(DeadAddress(host, server.port).close)
        store = S3Store("b", "", S3Options("us-east-1", f"http://{NAME}:{server.port}"))

        assert store.head("key") is None


def test_if_every_address_is_dead_the_error_names_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_client, "CONNECT_TIMEOUT_SECS", 1)
    Names(monkeypatch).has("127.0.0.2", "127.0.0.3")
    with ExitStack() as undo:
        first = DeadAddress("127.0.0.2")
        undo.callback(first.close)
        port = first.port
        undo.callback(DeadAddress("127.0.0.3", port).close)
        store = S3Store("b", "", S3Options("us-east-1", f"http://{NAME}:{port}"))

        tried = rf"127\.0\.0\.2:{port} \(no answer in 1 s\), 127\.0\.0\.3:{port} \(no answer in 1 s\)"
        with pytest.raises(StoreError, match=tried):
            store.head("key")


@pytest.mark.parametrize("size_bytes", [100, 4 << 20])
@pytest.mark.parametrize("answer", [b"", SERVER_ERROR], ids=["reset", "503"])
def test_another_address_is_tried_after_a_reset_or_a_server_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, answer: bytes, size_bytes: int
) -> None:
    Names(monkeypatch).has("127.0.0.2", "127.0.0.1")
    data = bytes(size_bytes)
    (tmp_path / "data").write_bytes(data)
    with S3Imitation(lambda _: None, NAME) as server, HalfDead("127.0.0.2", server.port, answer) as half_dead:
        store = S3Store(BUCKET, "", S3Options("us-east-1", server.endpoint_url))
        with pytest.raises(StoreError):
            store.put("key", tmp_path / "data", sha256(data).hexdigest())

        store.put("key", tmp_path / "data", sha256(data).hexdigest())
        store.check()
        assert server.objects["key"] == data
        assert half_dead.connections == 1


def test_a_refusal_does_not_count_against_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    Names(monkeypatch).has("127.0.0.1", "127.0.0.2")
    denied = Refusal(403, "AccessDenied", "Access Denied")
    with S3Imitation(lambda _: denied, NAME) as server, HalfDead("127.0.0.2", server.port) as half_dead:
        for _ in range(2):
            with pytest.raises(StoreRefusedError):
                S3Store(BUCKET, "", S3Options("us-east-1", server.endpoint_url)).head("key")

        assert half_dead.connections == 0
        assert len(server.refused) >= 2
