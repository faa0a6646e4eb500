"""What an archive in a bucket asks of its server, tried with a real one."""

import hashlib
import time
from base64 import b64decode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from moto import mock_aws

from collector.domain.errors import StoreRefusedError
from collector.storage.store import s3_client
from collector.storage.store.object_store import ObjectInfo
from collector.storage.store.s3 import S3Store
from collector.storage.store.s3_options import S3Options
from tests.proxy import Proxy
from tests.seaweed import Seaweed
from tests.storage.store.s3_content import CONTENT, INFO, KEY, SHA256


class TestWhatIsStored:
    def test_the_server_keeps_and_returns_the_files_checksum(self, seaweed: Seaweed, bucket: str, source: Path) -> None:
        seaweed.store(bucket, "lake").put(KEY, source, SHA256)
        held = seaweed.admin.head_object(Bucket=bucket, Key=f"lake/{KEY}", ChecksumMode="ENABLED")
        assert b64decode(held["ChecksumSHA256"]).hex() == SHA256

    def test_encryption_class_and_tags_go_with_each_object(self, seaweed: Seaweed, bucket: str, source: Path) -> None:
        tags = (("team", "re search"), ("cost", "4+2=6"))
        store = seaweed.store(bucket, sse="AES256", storage_class="STANDARD_IA", tags=tags)
        store.put(KEY, source, SHA256)
        held = seaweed.admin.head_object(Bucket=bucket, Key=KEY)
        assert (held["ServerSideEncryption"], held["StorageClass"]) == ("AES256", "STANDARD_IA")
        found = seaweed.admin.get_object_tagging(Bucket=bucket, Key=KEY)["TagSet"]
        assert {(tag["Key"], tag["Value"]) for tag in found} == set(tags)
        assert store.head(KEY) == INFO

    def test_an_empty_folder_made_by_a_console_is_not_an_object(
        self, seaweed: Seaweed, bucket: str, source: Path
    ) -> None:
        for folder in ("lake/", "lake/_manifest/"):
            seaweed.admin.put_object(Bucket=bucket, Key=folder, Body=b"")
        store = seaweed.store(bucket, "lake")
        store.put(KEY, source, SHA256)
        assert list(store.keys("")) == [KEY]
        assert list(store.keys("_manifest/")) == []

    def test_without_options_neither_encryption_nor_tags_are_set(
        self, seaweed: Seaweed, bucket: str, source: Path
    ) -> None:
        seaweed.store(bucket).put(KEY, source, SHA256)
        assert "ServerSideEncryption" not in seaweed.admin.head_object(Bucket=bucket, Key=KEY)
        assert seaweed.admin.get_object_tagging(Bucket=bucket, Key=KEY)["TagSet"] == []

    @pytest.mark.parametrize(("size_bytes", "expects"), [(256 << 10, False), ((256 << 10) + 1, True)])
    def test_expect_100_continue_only_above_256_kib(
        self, seaweed: Seaweed, bucket: str, tmp_path: Path, size_bytes: int, expects: bool
    ) -> None:
        source = tmp_path / "source"
        source.write_bytes(bytes(size_bytes))
        sha256 = hashlib.sha256(bytes(size_bytes)).hexdigest()
        asked = bytearray()

        def note(block: bytes) -> bytes:
            asked.extend(block)
            return block

        with Proxy(seaweed.port, note) as wire:
            seaweed.store(bucket, endpoint_url=wire.endpoint_url).put(KEY, source, sha256)
        assert (b"Expect: 100-continue" in asked) == expects
        assert seaweed.store(bucket).head(KEY) == ObjectInfo(size_bytes, sha256)

    @pytest.mark.parametrize("in_parts", [False, True], ids=["no checksum", "a checksum of parts"])
    def test_an_object_whose_checksum_the_server_does_not_have_is_read_back(
        self, seaweed: Seaweed, bucket: str, in_parts: bool
    ) -> None:
        if in_parts:
            put_in_parts(seaweed, bucket)
        else:
            seaweed.admin.put_object(Bucket=bucket, Key=KEY, Body=CONTENT, ChecksumAlgorithm="CRC32")
        assert seaweed.store(bucket).head(KEY) == INFO

    def test_keys_do_not_contain_the_prefix(self, seaweed: Seaweed, bucket: str, source: Path) -> None:
        seaweed.store(bucket, "a").put("x", source, SHA256)
        seaweed.store(bucket, "ab").put("y", source, SHA256)
        assert list(seaweed.store(bucket, "a").keys("")) == ["x"]
        assert list(seaweed.store(bucket).keys("")) == ["a/x", "ab/y"]

    def test_keys_lists_all_pages(self, seaweed: Seaweed, bucket: str, source: Path) -> None:
        store = seaweed.store(bucket)
        keys = [f"a/{number:04}" for number in range(1_010)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda key: store.put(key, source, SHA256), keys))
        assert list(store.keys("a/")) == keys

    def test_the_url_has_bucket_and_prefix_and_no_secret(self, seaweed: Seaweed) -> None:
        assert seaweed.store("bucket", "a/b").url == "s3://bucket/a/b"
        assert seaweed.store("bucket").url == "s3://bucket"


class TestTheBucket:
    def test_a_missing_bucket_is_refused_with_the_command_to_make_it(self, seaweed: Seaweed, source: Path) -> None:
        store = seaweed.store("not-there", region="eu-central-1")
        asked: list[Callable[[], object]] = [
            store.check,
            lambda: store.put(KEY, source, SHA256),
            lambda: store.read(KEY),
            lambda: store.fetch(KEY, source),
            lambda: list(store.keys("")),
        ]
        for ask in asked:
            with pytest.raises(StoreRefusedError) as caught:
                ask()
            command = f"aws s3 mb s3://not-there --region eu-central-1 --endpoint-url {seaweed.endpoint_url}"
            assert f"make it with '{command}', or set archive.create_bucket = true" in str(caught.value)
        assert source.read_bytes() == CONTENT

    def test_a_missing_bucket_is_made_with_create_bucket(self, seaweed: Seaweed, source: Path) -> None:
        uses: list[Callable[[S3Store], object]] = [
            S3Store.check,
            lambda store: store.put(KEY, source, SHA256),
            lambda store: store.read(KEY),
        ]
        for number, use in enumerate(uses):
            store = seaweed.store(f"made-{number}-{time.time_ns()}", create_bucket=True)
            use(store)
            store.put(KEY, source, SHA256)
            assert store.head(KEY) == INFO

    def test_a_bucket_that_another_host_just_made_is_used(self, seaweed: Seaweed, source: Path) -> None:
        name = f"made-{time.time_ns()}"
        stores = [seaweed.store(name, create_bucket=True) for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda number: stores[number].put(f"{number}", source, SHA256), range(4)))
        assert list(stores[0].keys("")) == ["0", "1", "2", "3"]

    @pytest.mark.parametrize("region", ["", "us-east-1", "eu-central-1", "ap-southeast-2"])
    def test_a_bucket_is_made_in_its_region(
        self, aws_alone: None, monkeypatch: pytest.MonkeyPatch, source: Path, region: str
    ) -> None:
        with mock_aws():
            S3Store("in-a-region", "", S3Options(region=region, create_bucket=True)).check()
            client = s3_client.connect(region, "", "auto", {})
            place = client.get_bucket_location(Bucket="in-a-region")["LocationConstraint"]
        assert (place or "us-east-1") == (region or "us-east-1")

    def test_reading_from_a_missing_bucket_is_an_error(self, seaweed: Seaweed) -> None:
        with pytest.raises(StoreRefusedError, match="NoSuchBucket"):
            seaweed.store("not-there").read(KEY)

    def test_check_leaves_one_object_that_keys_does_not_list(self, seaweed: Seaweed, bucket: str) -> None:
        store = seaweed.store(bucket, "lake")
        store.check()
        assert list(store.keys("")) == []
        (left,) = seaweed.admin.list_objects_v2(Bucket=bucket)["Contents"]
        assert left["Key"] == "lake/_probe"


def put_in_parts(seaweed: Seaweed, bucket: str) -> None:
    place = {"Bucket": bucket, "Key": KEY}
    upload = {
        **place,
        "UploadId": seaweed.admin.create_multipart_upload(**place, ChecksumAlgorithm="SHA256")["UploadId"],
    }
    part = seaweed.admin.upload_part(**upload, PartNumber=1, Body=CONTENT, ChecksumAlgorithm="SHA256")
    done = [{"PartNumber": 1, "ETag": part["ETag"], "ChecksumSHA256": part["ChecksumSHA256"]}]
    seaweed.admin.complete_multipart_upload(**upload, MultipartUpload={"Parts": done})
