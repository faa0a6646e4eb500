"""One set on its way up: what of it was not begun, what is under way, what the store has not confirmed yet."""

from collections import deque
from pathlib import Path

from collector.domain.names import OBJECT_SUFFIX
from collector.storage.staging.staged_set import SetSummary, Upload, uploads_of


class UploadSet:
    """Its objects go up in any order, its manifest last. It knows its files only while it is going up."""

    def __init__(self, folder: Path, summary: SetSummary, *, check_first: bool) -> None:
        self.folder = folder
        self.summary = summary
        self.check_first = check_first
        self._is_open = False
        self._to_put: deque[Upload] = deque()
        self._manifest: Upload | None = None
        self._put_off: list[Upload] = []
        self._untaken: set[str] = set()
        self.under_way = 0
        self.objects_left = summary.objects
        self.bytes_left = summary.bytes
        self.error: Exception | None = None
        """Why it cannot go up as it is."""

    @property
    def is_ready(self) -> bool:
        """Whether a file of it can go up now."""
        if self.error is not None:
            return False
        return not self._is_open or bool(self._to_put) or self._may_end

    @property
    def _may_end(self) -> bool:
        return self._manifest is not None and self.under_way == 0 and not self._put_off

    def next(self) -> Upload:
        """Take the file that goes up next. Raises DamagedError, RetryError."""
        if not self._is_open:
            *objects, self._manifest = uploads_of(self.folder)
            self._to_put.extend(objects)
            self._is_open = True
        self.under_way += 1
        if self._to_put or self._manifest is None:
            return self._to_put.popleft()
        upload, self._manifest = self._manifest, None
        return upload

    def give_back(self, upload: Upload) -> None:
        """It was not tried: it will be once others were."""
        if is_object(upload):
            self._to_put.append(upload)
        else:
            self._manifest = upload

    def put_off(self, upload: Upload) -> None:
        """It was tried and not taken: it stays behind until `retry`, while the others go up."""
        self._put_off.append(upload)
        self._untaken.add(upload.key)

    def retry(self) -> None:
        """Let what was put off be tried again."""
        for upload in self._put_off:
            self.give_back(upload)
        self._put_off.clear()

    def confirm(self, upload: Upload) -> bool:
        """The store holds one of its files. True if that was the last one that had not been taken when it was tried."""
        if is_object(upload):
            self.objects_left -= 1
            self.bytes_left -= upload.info.size_bytes
        was_untaken = upload.key in self._untaken
        self._untaken.discard(upload.key)
        return was_untaken and not self._untaken


def is_object(upload: Upload) -> bool:
    """Whether it is data, not a manifest."""
    return upload.key.endswith(OBJECT_SUFFIX)
