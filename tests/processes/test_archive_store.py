from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from collector.config import ArchiveConfig, Config
from collector.processes.archive_store import look_at_remote, open_archive
from tests.seaweed import Seaweed


def config(seaweed: Seaweed, bucket: str, **archive: str) -> Config:
    return Config(archive=ArchiveConfig(url=f"s3://{bucket}/lake", endpoint_url=seaweed.endpoint_url, **archive))  # type: ignore[arg-type]


def test_a_bucket_is_used_as_the_configuration_says(seaweed: Seaweed, tmp_path: Path) -> None:
    bucket = seaweed.new_bucket()
    store = open_archive(config(seaweed, bucket, storage_class="STANDARD_IA", tags="team=research"))
    store.check()
    held = seaweed.admin.head_object(Bucket=bucket, Key="lake/_probe")
    assert held["StorageClass"] == "STANDARD_IA"
    tags = seaweed.admin.get_object_tagging(Bucket=bucket, Key="lake/_probe")["TagSet"]
    assert tags == [{"Key": "team", "Value": "research"}]


def test_the_default_is_a_folder(tmp_path: Path) -> None:
    assert open_archive(Config(data_dir=tmp_path)).url == (tmp_path / "archive").as_uri()


@pytest.mark.parametrize("there", [False, True])
def test_a_bucket_is_looked_at_without_waiting_for_it(seaweed: Seaweed, there: bool) -> None:
    bucket = seaweed.new_bucket() if there else "not-there"
    with capture_logs() as logged:
        look = look_at_remote(open_archive(config(seaweed, bucket)), structlog.get_logger())
        assert look is not None
        assert look.daemon
        look.join(60)
    assert [line["event"] for line in logged] == ([] if there else ["store_unusable"])
    assert all("aws s3 mb s3://not-there" in line["error"] for line in logged)


def test_a_folder_is_not_looked_at(tmp_path: Path) -> None:
    assert look_at_remote(open_archive(Config(data_dir=tmp_path)), structlog.get_logger()) is None
    assert list(tmp_path.iterdir()) == []
