"""A store whose name has several addresses, of which only one is any good."""

from contextlib import ExitStack

import pytest

from collector.domain.errors import StoreError
from collector.storage import s3_client
from collector.storage.s3 import S3Store
from collector.storage.s3_options import S3Options
from tests.dial.names import NAME, DeadAddress, Names
from tests.odd_server import OddServer
from tests.seaweed import ADMIN, ALONE

LIVE = "127.0.0.4"


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**ALONE, **ADMIN}.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("hosts", [["127.0.0.2", "127.0.0.3", LIVE], [LIVE, "127.0.0.2"], ["::1", "127.0.0.2", LIVE]])
def test_a_store_is_asked_although_addresses_of_it_are_dead(monkeypatch: pytest.MonkeyPatch, hosts: list[str]) -> None:
    Names(monkeypatch).has(*hosts)
    with ExitStack() as undo:
        server = undo.enter_context(OddServer(404, {"Content-Length": "0"}, host=LIVE))
        for host in {*hosts} - {LIVE}:
            undo.callback(DeadAddress(host, server.port).close)
        store = S3Store("b", "", S3Options("us-east-1", f"http://{NAME}:{server.port}"))

        assert store.head("key") is None


def test_where_every_address_of_a_store_is_dead_the_error_names_them(monkeypatch: pytest.MonkeyPatch) -> None:
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
