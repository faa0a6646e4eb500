"""What may happen to a server and the wire to it, tried for real: it vanishes, stalls, dies, garbles, fills up."""

import hashlib
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from collector.domain.errors import StoreError, StoreRefusedError
from collector.storage.store import s3, s3_client
from collector.storage.store.object_store import ObjectInfo
from collector.storage.store.s3 import S3Store
from collector.storage.store.s3_options import S3Options
from tests.fixed_response_server import FixedResponseServer
from tests.proxy import Proxy
from tests.seaweed import ADMIN, NOTHING, Seaweed
from tests.storage.store.s3_content import INFO, KEY, SHA256


@pytest.fixture
def short_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_client, "CONNECT_TIMEOUT_SECS", 0.5)
    monkeypatch.setattr(s3_client, "READ_TIMEOUT_SECS", 0.5)


def test_a_server_that_is_away_is_a_temporary_error(own_seaweed: Seaweed, source: Path) -> None:
    store = own_seaweed.store(own_seaweed.new_bucket())
    store.check()
    own_seaweed.kill()
    with pytest.raises(StoreError) as caught:
        store.put(KEY, source, SHA256)
    assert not isinstance(caught.value, StoreRefusedError)
    own_seaweed.start()
    store.put(KEY, source, SHA256)
    assert store.head(KEY) == INFO


def test_a_server_killed_during_uploads_has_whole_objects_only(own_seaweed: Seaweed, tmp_path: Path) -> None:
    store = own_seaweed.store(own_seaweed.new_bucket())
    clock, generator = time.monotonic, random.Random(4)
    source = tmp_path / "source"
    source.write_bytes(generator.randbytes(5_000_000))
    info = ObjectInfo(5_000_000, hashlib.sha256(source.read_bytes()).hexdigest())
    interrupted = 0
    for kill in range(4):
        acked: list[str] = []
        pool = ThreadPoolExecutor(3)
        putting = [pool.submit(put_until_it_fails, store, source, info, f"{kill}/{line}", acked) for line in range(3)]
        until = clock() + generator.uniform(0.05, 0.4)
        while clock() < until:
            threading.Event().wait(0.01)
        own_seaweed.kill()
        last = [one.result() for one in putting]
        own_seaweed.start()
        assert [key for key in acked if store.head(key) != info] == []
        assert {store.head(key) for key in last} <= {info, None}
        interrupted += sum(store.head(key) is None for key in last)
        for key in last:
            store.put(key, source, info.sha256)
            assert store.head(key) == info
        assert set(store.keys(f"{kill}/")) == {*acked, *last}
    assert interrupted > 0


def test_a_stalled_connection_times_out(seaweed: Seaweed, bucket: str, source: Path, short_timeouts: None) -> None:
    with Proxy(seaweed.port) as wire:
        store = seaweed.store(bucket, endpoint_url=wire.endpoint_url)
        store.check()
        wire.silent = True
        began = time.monotonic()
        for ask in (lambda: store.put(KEY, source, SHA256), lambda: store.head(KEY), lambda: list(store.keys(""))):
            with pytest.raises(StoreError, match=r"[Tt]imeout|timed out") as caught:
                ask()
            assert not isinstance(caught.value, StoreRefusedError)
        assert time.monotonic() - began < 20
        wire.silent = False
        store.put(KEY, source, SHA256)
    assert seaweed.store(bucket).head(KEY) == INFO


def test_bytes_changed_on_the_wire_are_refused_and_change_nothing(seaweed: Seaweed, bucket: str, source: Path) -> None:
    seaweed.store(bucket).put(KEY, source, SHA256)
    with Proxy(seaweed.port, lambda block: block.replace(b"content" * 9, b"cOntent" + b"content" * 8, 1)) as wire:
        store = seaweed.store(bucket, endpoint_url=wire.endpoint_url)
        for key in (KEY, "new"):
            with pytest.raises(StoreError) as caught:
                store.put(key, source, SHA256)
            assert not isinstance(caught.value, StoreRefusedError), "it may be sent again"
    assert seaweed.store(bucket).head(KEY) == INFO
    assert list(seaweed.store(bucket).keys("")) == [KEY]


def test_a_changed_file_is_distinguished_from_changed_bytes_on_the_wire(
    seaweed: Seaweed, bucket: str, source: Path
) -> None:
    source.write_bytes(b"other")
    with pytest.raises(StoreError, match="the file has changed since it was staged"):
        seaweed.store(bucket).put(KEY, source, SHA256)


def test_an_answer_changed_on_the_wire_is_an_error(seaweed: Seaweed, bucket: str, source: Path) -> None:
    seaweed.store(bucket).put(KEY, source, SHA256)
    with Proxy(seaweed.port, answered=lambda block: block.replace(b"content", b"cOntent")) as wire:
        store = seaweed.store(bucket, endpoint_url=wire.endpoint_url)
        with pytest.raises(StoreError, match="checksum"):
            store.read(KEY)


def test_a_full_server_keeps_its_objects_and_recovers(seaweed: Seaweed, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(random.Random(5).randbytes(1_500_000))
    sha256 = hashlib.sha256(source.read_bytes()).hexdigest()
    server = Seaweed(tmp_path / "seaweed", NOTHING, "-volume.max=2", "-master.volumeSizeLimitMB=1").start()
    try:
        store = server.store(server.new_bucket())
        for key in ("0", "1"):
            store.put(key, source, sha256)
        with pytest.raises(StoreError) as caught:
            store.put("2", source, sha256)
        assert not isinstance(caught.value, StoreRefusedError)
        assert list(store.keys("")) == ["0", "1"]
        server.kill()
        server.arguments = ("-volume.max=8", "-master.volumeSizeLimitMB=1")
        server.start()
        store.put("2", source, sha256)
        assert {store.head(key) for key in ("0", "1", "2")} == {ObjectInfo(1_500_000, sha256)}
    finally:
        server.remove()


MOVED = b"<html><head><title>301 Moved Permanently</title></head></html>"
LISTING = b"<ListBucketResult><IsTruncated>true</IsTruncated><Contents><Key>a</Key></Contents></ListBucketResult>"
CIRCLE = LISTING.replace(b"<Contents>", b"<NextContinuationToken>again</NextContinuationToken><Contents>")
NAMELESS = b"<ListBucketResult><Contents><Size>1</Size></Contents></ListBucketResult>"


def asking(store: S3Store, source: Path) -> dict[str, Callable[[], object]]:
    return {
        "put": lambda: store.put(KEY, source, SHA256),
        "head": lambda: store.head(KEY),
        "read": lambda: store.read(KEY),
        "fetch": lambda: store.fetch(KEY, source.with_name("target")),
        "keys": lambda: list(store.keys("")),
        "check": store.check,
    }


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ADMIN.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("status", [301, 302, 307])
def test_a_redirect_is_a_refusal_that_names_region_and_endpoint(keys: None, source: Path, status: int) -> None:
    headers = {"Location": "http://127.0.0.1:1/login", "Content-Length": str(len(MOVED))}
    with FixedResponseServer(status, headers, MOVED) as server:
        store = S3Store("bucket", "", S3Options(endpoint_url=server.endpoint_url))
        for ask in asking(store, source).values():
            with pytest.raises(StoreRefusedError, match=r"check archive\.region and archive\.endpoint_url") as caught:
                ask()
            assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("headers", "body", "calls"),
    [
        ({"x-amz-checksum-sha256": "AAAA"}, b"", ["head"]),
        ({"Content-Length": str(len(LISTING))}, LISTING, ["keys"]),
        ({"Content-Length": str(len(CIRCLE))}, CIRCLE, ["keys"]),
        ({"Content-Length": str(len(NAMELESS))}, NAMELESS, ["keys"]),
        ({"Content-Length": "6"}, b"portal", ["keys", "check"]),
    ],
    ids=["no length", "no token", "same token again", "no key", "no xml"],
)
def test_an_incomplete_answer_is_a_temporary_store_error(
    keys: None, source: Path, headers: dict[str, str], body: bytes, calls: list[str]
) -> None:
    with FixedResponseServer(200, headers, body) as server:
        store = S3Store("bucket", "", S3Options(endpoint_url=server.endpoint_url))
        for call in calls:
            with pytest.raises(StoreError) as caught:
                asking(store, source)[call]()
            assert not isinstance(caught.value, StoreRefusedError)
            assert "\n" not in str(caught.value)


def test_any_exception_of_boto3_is_a_store_error(keys: None, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def endlessly(*_: object) -> None:
        endlessly()

    monkeypatch.setattr(s3, "connect", endlessly)
    for ask in asking(S3Store("bucket", "", S3Options()), source).values():
        with pytest.raises(StoreError, match="RecursionError"):
            ask()


def put_until_it_fails(store: S3Store, source: Path, info: ObjectInfo, name: str, acked: list[str]) -> str:
    """Put one object after the other, noting those the store confirmed; the key of the one that failed."""
    for number in range(10_000):
        key = f"{name}/{number}"
        try:
            store.put(key, source, info.sha256)
        except StoreError:
            return key
        acked.append(key)
    raise AssertionError("nobody killed the server")
