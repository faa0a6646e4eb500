"""Moves what cannot be archived to `quarantine/`.

Before, the archive gets the messages of a damaged segment that can still be read, and gap rows that say what is missing.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from collector.domain.errors import DamagedError, RetryError, UnreadableError
from collector.domain.log import Log
from collector.exchanges.adapter import Adapter
from collector.processes.archiver.local_copies import LocalCopies
from collector.processes.archiver.stager import MAX_ATTEMPTS
from collector.processes.archiver.store_call import StoreCall
from collector.processes.archiver.upload_file import upload_and_confirm
from collector.storage.archive.catalog import find_whole, received_until
from collector.storage.durable import sync
from collector.storage.segment.attempts import Attempts, forget_counts
from collector.storage.segment.sealed_segment import read_through
from collector.storage.staging.salvage import SalvageContext, open_salvage
from collector.storage.staging.staged_set import make_set, remove_set, uploads_of


class Quarantine:
    """Puts segments and sets into quarantine.

    First the archive gets what can be salvaged and gap rows for what is missing; gap rows alone once that has failed, and
    of a segment that is sound and cannot be archived, which may come back. Nothing once that has failed as often as
    archiving did: then only health and the break in the chain of manifests show it. StoreError while the store is away,
    RetryError while the disk takes no files and UnreadableError for a file that cannot be read at present leave the
    file in its place.
    """

    def __init__(
        self, store: StoreCall, data_dir: Path, host: str, compression_level: int,
        copies: LocalCopies, adapter_of: Callable[[str], Adapter], tick: Callable[[], None], log: Log,
    ) -> None:  # fmt: skip
        self._store = store
        self._staging = data_dir / "staging"
        self._quarantine = data_dir / "quarantine"
        self._host = host
        self._compression_level = compression_level
        self._copies = copies
        self._adapter_of = adapter_of
        self._tick = tick
        self._log = log

    def segment(self, path: Path) -> None:
        """Quarantine a segment. No gap rows are written if the store holds it whole, or holds its gap rows already."""
        is_damaged = self._is_damaged(path)
        failures = Attempts(path).count()
        in_ledger = failures < 2 * MAX_ATTEMPTS
        if in_ledger and self._store.call(lambda store: find_whole(store, path.stem)) is None:
            scratch = self._staging / f"{path.stem}.salvage" if is_damaged and failures <= MAX_ATTEMPTS else None
            self._upload_salvage(path, scratch)
        self._move(path, in_ledger=in_ledger)

    def _is_damaged(self, path: Path) -> bool:
        try:
            read_through(path, self._tick)
        except DamagedError:
            return True
        return False

    def set(self, folder: Path) -> bool:
        """Quarantine a set whose segment is gone.

        False if it was not: the store holds it whole, so it is only removed, or somebody else has removed it.
        """
        is_there = folder.exists()
        in_ledger = Attempts(folder).count() < MAX_ATTEMPTS
        if in_ledger:
            archived = self._store.call(lambda store: find_whole(store, folder.name))
            # A manifest of gap rows alone has no messages.
            if archived is not None and archived.rows:
                remove_set(folder)
                self._log.info("set_confirmed", segment=folder.name)
                return False
            if archived is None:
                self._upload_salvage(folder, None)
        self._move(folder, in_ledger=in_ledger)
        return is_there

    def _upload_salvage(self, path: Path, scratch: Path | None) -> None:
        """Upload gap rows, and with `scratch` also messages."""
        until_us = self._store.call(lambda store: received_until(store, self._host, path.stem))
        known = SalvageContext(self._host, self._compression_level, until_us)
        with open_salvage(path, known, scratch, self._tick) as salvaged:
            # Only now: pyarrow takes 50 MB.
            from collector.storage.staging.build import stage  # noqa: PLC0415

            staged = self._staging / f"{path.stem}.remains"
            try:
                if staged.exists():
                    remove_set(staged)
                make_set(self._staging, staged.name, partial(stage, salvaged, self._adapter_of, tick=self._tick))
            except OSError as error:
                raise RetryError(f"what is left of {path.stem} cannot be staged: {error}") from error
            except MemoryError as error:
                raise UnreadableError(f"what is left of {path.stem} cannot be staged at present: {error!r}") from error
        for upload in uploads_of(staged):
            self._store.call(partial(upload_and_confirm, upload=upload, check_first=False))
        self._copies.keep(staged)
        remove_set(staged)

    def _move(self, path: Path, *, in_ledger: bool) -> None:
        if not path.exists():
            self._log.error("segment_gone", segment=path.stem, in_ledger=in_ledger)
            return
        self._quarantine.mkdir(parents=True, exist_ok=True)
        path.rename(self._quarantine / path.name)
        sync(self._quarantine)
        sync(path.parent)
        forget_counts(path)
        self._log.error("segment_quarantined", segment=path.stem, folder=str(self._quarantine), in_ledger=in_ledger)
