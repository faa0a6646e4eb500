"""One sealed segment to the store: stage, put, confirm, manifest, and only then unlink.

Killed between any two steps, a second run arrives at the same objects: their keys and bytes follow from the segment.
"""

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, Protocol, TypeVar

from collector.domain.errors import ConfigError, DamagedError, RetryError, StoreError
from collector.domain.names import OBJECT_SUFFIX, manifest_key
from collector.exchanges.adapter import Adapter
from collector.storage.attempts import Attempts
from collector.storage.durable import sync
from collector.storage.manifest import Manifest
from collector.storage.manifests import is_whole, received_until, whole_segment
from collector.storage.objects import ObjectInfo, ObjectStore
from collector.storage.remains import Surroundings, open_remains
from collector.storage.sealed import SealedSegment, open_sealed

Result = TypeVar("Result")

TURN_SECS: Final = 0.5
"""How often a long upload shows that it is not stuck."""


class Insist(Protocol):
    """Runs a step again and again while it raises RetryError; lets that error through once nobody shall wait for it."""

    def __call__(self, step: Callable[[], Result]) -> Result:
        """What the step returned at last."""
        ...


class Upload(NamedTuple):
    """A file, where it goes, and what the store must hold then."""

    path: Path
    key: str
    info: ObjectInfo


class Delivery:
    """Brings segments to one store through one staging folder."""

    def __init__(
        self,
        store: ObjectStore,
        staging: Path,
        adapter_of: Callable[[str], Adapter],
        insist: Insist,
        tick: Callable[[], None],
    ) -> None:
        self._store = store
        self._staging = staging
        self._adapter_of = adapter_of
        self._insist = insist
        self._tick = tick
        self._hand = ThreadPoolExecutor(max_workers=1, thread_name_prefix="put")
        self.uploaded_objects = 0
        """Confirmed by the store; manifests are not counted."""
        self.failed_uploads = 0
        """Puts that the store refused or did not confirm; manifests are counted."""

    def deliver(self, path: Path, attempts: Attempts) -> Manifest:
        """Archive the segment and unlink it; the manifest says what the store holds of it.

        `attempts` counts one more while files are made from the segment, for that is how it may kill the process; it
        begins anew once they are made, so that deaths of other causes are not laid to the segment's charge.
        Raises what `insist` lets through, and SetAsideError or StopError for a segment that cannot be archived.
        """
        with open_sealed(path) as segment:
            manifest = self._insist(lambda: self._archived(segment))
            if manifest is None:
                manifest = self._upload(*self._insist(lambda: self._stage_counted(segment, attempts)))
        remove_segment(path)
        self.clear_staging()
        return manifest

    def deliver_remains(self, path: Path, host: str, compression_level: int) -> None:
        """Put into the archive, in place of a segment that cannot be archived, what the gap ledger says of it.

        Nothing is put where the store holds the segment whole, or already what is put in its place. The segment stays.
        Raises what `insist` lets through.
        """
        if not self._insist(lambda: is_whole(self._store, path.stem, self._tick)):
            until_us = self._insist(lambda: received_until(self._store, host, path.stem))
            with open_remains(path, Surroundings(host, compression_level, until_us)) as remains:
                self._upload(*self._insist(lambda: self._stage(remains)))
        self.clear_staging()

    def clear_staging(self) -> None:
        """Empty the staging folder."""
        self._staging.mkdir(parents=True, exist_ok=True)
        for leftover in self._staging.iterdir():
            leftover.unlink()

    def _archived(self, segment: SealedSegment) -> Manifest | None:
        """The segment's manifest, if the store holds it and every object it names."""
        manifest = whole_segment(self._store, manifest_key(segment.meta.host, segment.meta.segment_id), self._tick)
        # One with fewer rows was put in place of a segment that was in quarantine, and is back.
        return manifest if manifest and manifest.rows == segment.rows else None

    def _stage_counted(self, segment: SealedSegment, attempts: Attempts) -> tuple[Manifest, list[Upload]]:
        before = attempts.count()
        try:
            attempts.note(before + 1)
            staged = self._stage(segment)
        except (OSError, RetryError) as error:
            attempts.note(before)
            raise RetryError(str(error)) from error
        attempts.note(0)
        return staged

    def _stage(self, segment: SealedSegment) -> tuple[Manifest, list[Upload]]:
        """Make the files. Raises RetryError where the disk does not take them: no fault of the segment's."""
        # Only now: pyarrow takes 50 MB, and a recorder may run for an hour before the first segment is sealed.
        from collector.storage.staging import stage  # noqa: PLC0415

        try:
            self.clear_staging()
            files, manifest = stage(segment, self._typing_of, self._staging, self._tick)
            content = manifest.encode()
            manifest_path = self._staging / "manifest.json"
            manifest_path.write_bytes(content)
        except OSError as error:
            self.clear_staging()
            raise RetryError(f"{segment.meta.segment_id} cannot be staged: {error}") from error
        uploads = [Upload(path, object_.key, ObjectInfo(object_.bytes, object_.sha256)) for path, object_ in files]
        info = ObjectInfo(len(content), hashlib.sha256(content).hexdigest())
        return manifest, [*uploads, Upload(manifest_path, manifest_key(manifest.host, manifest.segment_id), info)]

    def _upload(self, manifest: Manifest, uploads: list[Upload]) -> Manifest:
        for upload in uploads:
            self._insist(partial(self._put, upload))
        return manifest

    def _typing_of(self, exchange: str) -> Adapter:
        try:
            return self._adapter_of(exchange)
        except ConfigError as error:
            raise DamagedError(f"the segment holds messages of {exchange!a}, which this version cannot read") from error

    def _put(self, upload: Upload) -> None:
        try:
            self._turning(partial(self._put_confirmed, upload))
        except RetryError:
            self.failed_uploads += 1
            raise
        upload.path.unlink()
        self.uploaded_objects += upload.key.endswith(OBJECT_SUFFIX)
        self._tick()

    def _turning(self, step: Callable[[], None]) -> None:
        """Do a step whose end the store's own time limits bring about, and show meanwhile that this process turns."""
        under_way = self._hand.submit(step)
        while not wait([under_way], TURN_SECS).done:
            self._tick()
        under_way.result()

    def _put_confirmed(self, upload: Upload) -> None:
        self._store.put(upload.key, upload.path, upload.info.sha256)
        held = self._store.head(upload.key)
        if held != upload.info:
            raise StoreError(f"{upload.key}: put {upload.info}, but the store holds {held}")


def remove_segment(path: Path) -> None:
    """Unlink a segment, and what a reader that was killed may have left beside it, for good."""
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    path.unlink()
    sync(path.parent)
