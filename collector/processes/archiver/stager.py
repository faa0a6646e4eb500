"""Makes the set of a sealed segment, and proves that a set can replace its segment."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from collector.domain.errors import RetryError, UnreadableError
from collector.domain.names import manifest_key
from collector.exchanges.adapter import Adapter
from collector.processes.archiver.store_call import StoreCall
from collector.storage.archive.catalog import whole_segment
from collector.storage.archive.manifest import Manifest
from collector.storage.segment.attempts import forget_counts
from collector.storage.segment.sealed_segment import SealedSegment, open_sealed
from collector.storage.staging.staged_set import (
    SetSummary,
    make_durable,
    make_set,
    remove_set,
    require_equal,
    summary_of,
)

MAX_ATTEMPTS: Final = 3
"""Failures (or crashes) before a segment is quarantined."""


def find_archived(path: Path, store_call: StoreCall) -> SetSummary | None:
    """What the store holds of a sealed segment, if it holds it whole. Raises StoreError."""
    with open_sealed(path) as segment:
        key, rows = manifest_key(segment.meta.host, segment.meta.segment_id), segment.rows
    manifest = store_call.call(lambda store: whole_segment(store, key))
    # A manifest with fewer rows was written when this segment was quarantined; it is back from there.
    return summary_of(manifest) if manifest and manifest.rows == rows else None


class Stager:
    """Makes sets.

    Raises RetryError while the disk takes no files, UnreadableError for a segment that the disk or this machine's memory
    does not let be read at present, SetAsideError or StopError for the segment itself.
    """

    def __init__(self, staging: Path, adapter_of: Callable[[str], Adapter], tick: Callable[[], None]) -> None:
        self._staging = staging
        self._adapter_of = adapter_of
        self._tick = tick

    def stage(self, path: Path) -> SetSummary:
        """Make the set of a segment, and reset its counts of failures and kills."""
        try:
            with open_sealed(path) as segment:
                manifest = self._staged(path.stem, segment)
            forget_counts(path)
        except UnreadableError:
            raise
        except (MemoryError, ImportError) as error:
            # Too little memory, or a program whose files are being replaced by an upgrade.
            raise UnreadableError(f"{path.stem} cannot be staged at present: {error!r}") from error
        except (OSError, RetryError) as error:
            raise RetryError(f"{path.stem} cannot be staged: {error}") from error
        return summary_of(manifest)

    def require_lasting(self, path: Path, folder: Path) -> None:
        """Make the set durable, read it back, and compare it with the segment. Raises DamagedError where they differ."""
        with open_sealed(path) as segment:
            try:
                make_durable(folder)
                require_equal(folder, segment, self._tick)
            except OSError as error:
                raise RetryError(f"{path.stem} cannot be replaced: {error}") from error

    def _staged(self, name: str, segment: SealedSegment) -> Manifest:
        # Only now: pyarrow takes 50 MB, and a recorder may run for an hour before the first segment is sealed.
        from collector.storage.staging.build import stage  # noqa: PLC0415

        if (self._staging / name).exists():
            remove_set(self._staging / name)
        return make_set(self._staging, name, partial(stage, segment, self._adapter_of, tick=self._tick))
