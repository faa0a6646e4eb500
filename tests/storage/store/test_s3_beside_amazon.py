"""Servers that want something else than Amazon's: imitations on loopback, with the answers of the real ones."""

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from collector.domain.errors import StoreError, StoreRefusedError
from collector.storage.store.object_store import ObjectInfo
from collector.storage.store.s3 import S3Store
from collector.storage.store.s3_options import S3Options
from collector.storage.store.s3_request_style import first_style
from tests import s3_imitation as imitations
from tests.dial.names import NAME, Names
from tests.s3_imitation import BUCKET, Refusal, Refuses, Request, S3Imitation
from tests.seaweed import ADMIN, ALONE
from tests.storage.store.s3_content import CONTENT, INFO, KEY, SHA256

AS_MD5 = "it takes no x-amz-checksum headers: objects are uploaded with Content-MD5 and read back"
IN_HOST = "it forbids the bucket in the path: requests name it in the host name"


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**ALONE, **ADMIN}.items():
        monkeypatch.setenv(name, value)
    Names(monkeypatch).has("127.0.0.1")


def store_of(server: S3Imitation, told: list[str], **options: str) -> S3Store:
    return S3Store(BUCKET, "lake", S3Options("us-east-1", server.endpoint_url, **options), told.append)  # type: ignore[arg-type]


def use(store: S3Store, source: Path, tmp_path: Path) -> None:
    """Everything that is ever asked of a store."""
    store.check()
    store.put(KEY, source, SHA256)
    assert store.head(KEY) == INFO
    assert store.read(KEY) == CONTENT
    assert store.fetch(KEY, tmp_path / "fetched") == INFO
    assert store.head("absent") is None
    assert KEY in list(store.keys(""))


@pytest.mark.parametrize(
    ("refuses", "told"),
    [
        (imitations.backblaze, [AS_MD5]),
        (imitations.cloudflare_once, [AS_MD5]),
        (imitations.object_lock, [AS_MD5]),
        (imitations.google, [AS_MD5]),
        (imitations.aliyun, [IN_HOST]),
        (imitations.tencent, [IN_HOST]),
        (imitations.volcengine, [IN_HOST]),
        (imitations.aliyun_without_checksums, [IN_HOST, AS_MD5]),
    ],
)
def test_another_request_style_is_learned_and_reported_once(
    refuses: Refuses, told: list[str], source: Path, tmp_path: Path
) -> None:
    heard: list[str] = []
    with S3Imitation(refuses, NAME) as server:
        store = store_of(server, heard)
        for _ in range(3):
            use(store, source, tmp_path)

        assert heard == [f"s3://{BUCKET}/lake: {text}" for text in told]
        assert len(server.refused) == len(told), "what was learned is remembered"


@pytest.mark.parametrize("ask", ["head", "read"])
def test_a_refused_read_or_head_is_repeated_without_the_checksum(ask: str, source: Path) -> None:
    with S3Imitation(imitations.backblaze) as server:
        store_of(server, []).put(KEY, source, SHA256)
        heard: list[str] = []
        store = store_of(server, heard)

        assert getattr(store, ask)(KEY) == (INFO if ask == "head" else CONTENT)
        assert len(heard) == 1


def test_threads_that_learn_at_once_report_it_once(source: Path) -> None:
    heard: list[str] = []
    with S3Imitation(imitations.aliyun_without_checksums, NAME) as server, ThreadPoolExecutor(8) as pool:
        store = store_of(server, heard)
        putting = [pool.submit(store.put, f"{number}/{KEY}", source, SHA256) for number in range(24)]
        listing = [pool.submit(lambda: list(store.keys(""))) for _ in range(24)]
        for one in putting:
            one.result(60)
        for other in listing:
            other.result(60)

        assert sorted(heard) == sorted(f"s3://{BUCKET}/lake: {text}" for text in (IN_HOST, AS_MD5))
        assert len(server.objects) == 24


def test_styles_learned_by_two_threads_are_merged() -> None:
    first = first_style("auto", "http://store")
    in_host, no_checksums = first.after("PathStyleDomainForbidden"), first.after("NotImplemented")
    assert in_host is not None
    assert no_checksums is not None

    both = in_host.merged_with(no_checksums)
    assert (both.addressing, both.checksums) == ("virtual", False)
    assert no_checksums.merged_with(in_host) == both
    assert both.merged_with(first) == both
    assert (both.after("PathStyleDomainForbidden"), both.after("NotImplemented")) == (None, None)


def test_without_checksums_changed_bytes_are_found_by_reading_back(source: Path) -> None:
    with S3Imitation(imitations.backblaze) as server:
        server.keeps_otherwise = lambda body: body[:-1] + b"?"
        store = store_of(server, [])
        store.put(KEY, source, SHA256)

        other = CONTENT[:-1] + b"?"
        assert store.head(KEY) == ObjectInfo(len(other), hashlib.sha256(other).hexdigest())
        with pytest.raises(StoreError, match="holds other bytes than were put"):
            store.check()


def test_the_bytes_of_a_put_without_sha256_carry_their_md5(source: Path) -> None:
    with S3Imitation(imitations.backblaze) as server:
        store_of(server, []).put(KEY, source, SHA256)

        (asked,) = [request for request in server.seen if request not in server.refused]
        assert asked.checksum_headers() == []
        assert "content-md5" in asked.headers


def test_a_lasting_refusal_keeps_its_text_and_the_style(source: Path) -> None:
    heard: list[str] = []

    def refuse(request: Request) -> Refusal | None:
        return Refusal(400, "InvalidArgument", "Not on a Sunday.")

    with S3Imitation(refuse) as server:
        store = store_of(server, heard)
        for _ in range(2):
            with pytest.raises(StoreRefusedError, match=r"Not on a Sunday\."):
                store.put(KEY, source, SHA256)

        assert heard == []
        assert [bool(request.checksum_headers()) for request in server.seen] == [True, False] * 2


@pytest.mark.parametrize(
    ("addressing", "in_host"), [("path", False), ("virtual", True), ("auto", False)]
)  # fmt: skip
def test_configured_addressing_is_used(addressing: str, in_host: bool, source: Path) -> None:
    def take_all(_: Request) -> Refusal | None:
        return None

    with S3Imitation(take_all, NAME) as server:
        store_of(server, [], addressing=addressing).put(KEY, source, SHA256)
        assert [request.bucket_in_host for request in server.seen] == [in_host]


@pytest.mark.parametrize("refuses", [imitations.aliyun, imitations.tencent])
def test_configured_addressing_is_never_changed(refuses: Callable[..., Refusal], source: Path) -> None:
    with S3Imitation(refuses, NAME) as server:
        store = store_of(server, [], addressing="path")
        with pytest.raises(StoreRefusedError, match=r"Forbidden.*archive\.addressing"):
            store.put(KEY, source, SHA256)
