"""Opens the archive's store that the configuration names."""

from collections.abc import Callable

from collector.config import Config
from collector.storage.store.object_store import ObjectStore
from collector.storage.store.open import open_store
from collector.storage.store.s3_options import S3Options


def open_archive(config: Config, on_style_change: Callable[[str], object] = lambda _: None) -> ObjectStore:
    """The store that `config` names; no request is made yet. See `open_store` for `on_style_change`."""
    return open_store(config.archive_url, archive_options(config), on_style_change)


def archive_options(config: Config) -> S3Options:
    """How `config` says to reach a bucket."""
    archive = config.archive
    return S3Options(
        region=archive.region,
        endpoint_url=archive.endpoint_url,
        create_bucket=archive.create_bucket,
        sse=archive.sse,
        sse_kms_key_id=archive.sse_kms_key_id,
        storage_class=archive.storage_class,
        tags=tuple(archive.tag_pairs.items()),
        addressing=archive.addressing,
    )
