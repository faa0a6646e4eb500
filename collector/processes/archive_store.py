"""The archive's store, as the configuration describes it, and a first look at it."""

from threading import Thread

from structlog.typing import FilteringBoundLogger

from collector.config import Config
from collector.domain.errors import StoreError
from collector.storage.objects import ObjectStore
from collector.storage.s3_options import S3Options
from collector.storage.stores import is_remote, open_store


def open_archive(config: Config) -> ObjectStore:
    """The store that `config` names; nothing is asked of it yet."""
    archive = config.archive
    options = S3Options(
        region=archive.region,
        endpoint_url=archive.endpoint_url,
        create_bucket=archive.create_bucket,
        sse=archive.sse,
        sse_kms_key_id=archive.sse_kms_key_id,
        storage_class=archive.storage_class,
        tags=tuple(archive.tag_pairs.items()),
    )
    return open_store(config.archive_url, options)


def look_at_remote(store: ObjectStore, log: FilteringBoundLogger) -> Thread | None:
    """Say at once, not when the first segment is sealed, that a store over the network will take nothing.

    Looks from a thread of its own, for a server may take its time; nothing waits for it.
    """
    if not is_remote(store.url):
        return None
    thread = Thread(target=_look, args=(store, log), name="look at the store", daemon=True)
    thread.start()
    return thread


def _look(store: ObjectStore, log: FilteringBoundLogger) -> None:
    try:
        store.check()
    except StoreError as error:
        log.warning("store_unusable", error=str(error))
