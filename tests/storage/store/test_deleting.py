"""What a prune may remove, and that the recorder's own stores can remove nothing."""

import json
import os
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from collector.domain.errors import ConfigError, StoreError, StoreRefusedError
from collector.storage.store.deleting import DeletingDirectoryStore, DeletingStore, open_deleting
from collector.storage.store.directory import DirectoryStore
from collector.storage.store.s3 import S3Store
from collector.storage.store.s3_deleting import DeletingS3Store
from collector.storage.store.s3_options import S3Options
from tests.processes.archiver.archiver_harness import in_a_child
from tests.seaweed import RECORDER, Seaweed
from tests.storage.store.places import Makers, stores
from tests.storage.store.s3_content import SHA256
from tests.storage.store.test_s3_permissions import allowed, documented, documented_policy

DAY = "exchange=toy/data_type=trade/symbol=BTC%2FUSD/date=2026-11-23"
KEY = f"{DAY}/host-1-20261123T120000Z-4f2a9c.parquet"
OTHER = f"{DAY}/host-1-20261123T130000Z-4f2a9c.parquet"
MANIFEST = "_manifest/date=2026-11-23/host-1-20261123T120000Z-4f2a9c.json"


MAKERS: Makers[DeletingStore] = stores(DeletingDirectoryStore, Seaweed.deleting_store)


@pytest.fixture(params=sorted(MAKERS))
def store(request: pytest.FixtureRequest, source: Path) -> DeletingStore:
    store = MAKERS[request.param](request)
    for key in (KEY, OTHER, MANIFEST):
        store.put(key, source, SHA256)
    return store


def test_a_deleted_object_is_gone_and_the_others_stay(store: DeletingStore) -> None:
    store.require_may_delete()
    store.delete(KEY)
    assert store.head(KEY) is None
    assert list(store.keys("")) == sorted([OTHER, MANIFEST])


def test_deleting_may_be_repeated(store: DeletingStore) -> None:
    store.delete(KEY)
    store.delete(KEY)
    assert list(store.keys("exchange=")) == [OTHER]


def test_the_objects_are_listed_and_nothing_else(store: DeletingStore, source: Path) -> None:
    for key in ("_probe", "exchange=toy/notes.txt", f"{DAY}/notes.txt"):
        store.put(key, source, SHA256)
    assert sorted(store.object_keys()) == [KEY, OTHER]


@pytest.mark.parametrize(
    "key", [MANIFEST, "_manifest/pruned/2026-11-23.json", "", "_probe", DAY, f"../{KEY}", f"/{KEY}"]
)
def test_nothing_but_an_object_can_be_deleted(store: DeletingStore, key: str) -> None:
    with pytest.raises(StoreError, match="is not the key of an object"):
        store.delete(key)
    assert list(store.keys("")) == sorted([KEY, OTHER, MANIFEST])


def test_a_days_folder_goes_with_its_last_file(tmp_path: Path, source: Path) -> None:
    store = DeletingDirectoryStore(tmp_path / "archive")
    for key in (KEY, OTHER):
        store.put(key, source, SHA256)
    store.delete(KEY)
    assert (tmp_path / "archive" / DAY).is_dir()
    store.delete(OTHER)
    assert not (tmp_path / "archive" / DAY).exists()
    store.put(KEY, source, SHA256)
    assert store.head(KEY) is not None, "and comes back with the next"


def test_a_file_that_cannot_be_removed_is_an_error(tmp_path: Path) -> None:
    store = DeletingDirectoryStore(tmp_path / "archive")
    (tmp_path / "archive" / KEY).mkdir(parents=True)
    with pytest.raises(StoreError, match="host-1"):
        store.delete(KEY)


def test_in_a_folder_nobody_deletes_beside_another_and_a_dead_one_keeps_nobody_out(tmp_path: Path) -> None:
    (tmp_path / "archive").mkdir()
    one, other = (DeletingDirectoryStore(tmp_path / "archive") for _ in range(2))

    def hold_and_die() -> None:
        with one.alone():
            os._exit(9)

    assert in_a_child(hold_and_die) == 9
    with (
        one.alone(),
        pytest.raises(StoreError, match="another prune or compaction is at work in file:///"),
        other.alone(),
    ):
        pass
    with other.alone():
        pass


def test_the_recorders_stores_have_no_way_to_delete() -> None:
    for kind in (DirectoryStore, S3Store):
        assert [name for name in dir(kind) if "delete" in name.lower() or "unlink" in name.lower()] == []


def test_the_recorders_credentials_are_refused_before_anything_goes(
    seaweed: Seaweed, bucket: str, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seaweed.store(bucket, "lake").put(KEY, source, SHA256)
    for name, value in RECORDER.items():
        monkeypatch.setenv(name, value)
    store = seaweed.deleting_store(bucket, "lake")
    with allowed(seaweed, documented_policy(bucket, "lake"), store.check):
        with pytest.raises(StoreRefusedError, match="AccessDenied to DeleteObject"):
            store.require_may_delete()
        assert store.head(KEY) is not None


def test_the_documented_statement_lets_a_person_delete_objects_and_no_manifest(
    seaweed: Seaweed, bucket: str, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in RECORDER.items():
        monkeypatch.setenv(name, value)
    statement = documented("s3:DeleteObject").replace("MY-BUCKET", bucket).replace("MY-PREFIX", "lake")
    policy = documented_policy(bucket, "lake")
    policy["Statement"].append(json.loads(statement))
    store = seaweed.deleting_store(bucket, "lake")
    with allowed(seaweed, policy, store.require_may_delete):
        for key in (KEY, MANIFEST):
            store.put(key, source, SHA256)
        store.delete(KEY)
        assert list(store.keys("")) == [MANIFEST]
        with pytest.raises(ClientError, match="AccessDenied"):
            seaweed.client(RECORDER).delete_object(Bucket=bucket, Key=f"lake/{MANIFEST}")


def test_the_url_decides_the_kind_of_store(tmp_path: Path) -> None:
    assert isinstance(open_deleting(tmp_path.as_uri(), S3Options()), DeletingDirectoryStore)
    found = open_deleting("s3://bucket/market/data", S3Options())
    assert isinstance(found, DeletingS3Store)
    assert found.url == "s3://bucket/market/data"
    with pytest.raises(ConfigError, match="ftp://x is neither"):
        open_deleting("ftp://x", S3Options())
