"""One set being uploaded: which files are waiting, under way and confirmed."""

from collections import deque
from pathlib import Path

from collector.domain.names import OBJECT_SUFFIX
from collector.storage.staging.staged_set import SetSummary, Upload, uploads_of


class UploadSet:
    """Objects go up in any order, the manifest last. Files are listed when the first of them goes up, to save memory."""

    def __init__(self, folder: Path, summary: SetSummary, *, check_first: bool) -> None:
        self.folder = folder
        self.summary = summary
        self.check_first = check_first
        self._is_open = False
        self._waiting: deque[Upload] = deque()
        self._manifest: Upload | None = None
        self._failed: list[Upload] = []
        self._failed_keys: set[str] = set()
        self.under_way = 0
        self.objects_left = summary.objects
        self.bytes_left = summary.bytes
        self.error: Exception | None = None
        """Why the set cannot be uploaded as it is."""

    @property
    def is_ready(self) -> bool:
        """Whether a file can go up now."""
        if self.error is not None:
            return False
        return not self._is_open or bool(self._waiting) or self._manifest_is_next

    @property
    def _manifest_is_next(self) -> bool:
        return self._manifest is not None and self.under_way == 0 and not self._failed

    def next(self) -> Upload:
        """Take the file that goes up next. Raises DamagedError, RetryError."""
        if not self._is_open:
            *objects, self._manifest = uploads_of(self.folder)
            self._waiting.extend(objects)
            self._is_open = True
        self.under_way += 1
        if self._waiting or self._manifest is None:
            return self._waiting.popleft()
        upload, self._manifest = self._manifest, None
        return upload

    def requeue(self, upload: Upload) -> None:
        """Requeue an upload that was cancelled before it started."""
        if is_object(upload):
            self._waiting.append(upload)
        else:
            self._manifest = upload

    def set_aside(self, upload: Upload) -> None:
        """Set a failed upload aside until `retry`, while the others go up."""
        self._failed.append(upload)
        self._failed_keys.add(upload.key)

    def retry(self) -> None:
        """Requeue the failed uploads."""
        for upload in self._failed:
            self.requeue(upload)
        self._failed.clear()

    def confirm(self, upload: Upload) -> bool:
        """The store has confirmed a file. True if it had failed before and no other failed file is left."""
        if is_object(upload):
            self.objects_left -= 1
            self.bytes_left -= upload.info.size_bytes
        had_failed = upload.key in self._failed_keys
        self._failed_keys.discard(upload.key)
        return had_failed and not self._failed_keys


def is_object(upload: Upload) -> bool:
    """Whether this is an object, not the manifest."""
    return upload.key.endswith(OBJECT_SUFFIX)
