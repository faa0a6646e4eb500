"""Uploads one file and confirms it.

A repeat after any failure writes the same object: key and bytes follow from the segment.
"""

from collector.domain.errors import DamagedError, StoreError
from collector.storage.staging.staged_set import Upload, is_sound
from collector.storage.store.object_store import ObjectStore


def upload_and_confirm(store: ObjectStore, upload: Upload, *, check_first: bool) -> None:
    """Return once the store has confirmed size and checksum of the object. `check_first`: the store may hold it already.

    Raises StoreError, and DamagedError for a file whose bytes have changed and that the store does not hold either.
    """
    if check_first and store.head(upload.key) == upload.info:
        return
    try:
        store.put(upload.key, upload.path, upload.info.sha256)
    except StoreError as error:
        if is_sound(upload):
            raise
        # The store refuses bytes that do not match the checksum, so it may still hold the right ones.
        if store.head(upload.key) == upload.info:
            return
        raise DamagedError(f"{upload.path.name}: the bytes staged for {upload.key} have changed") from error
    stored = store.head(upload.key)
    if stored != upload.info:
        raise StoreError(f"{upload.key}: put {upload.info}, but the store holds {stored}")
