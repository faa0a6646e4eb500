from pathlib import Path

from collector.config import ArchiveConfig, Config
from collector.processes.archive_store import open_archive
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
