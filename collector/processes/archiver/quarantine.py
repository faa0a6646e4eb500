"""What cannot be archived goes to `quarantine/`, once the gap ledger in the archive says what is missing."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from collector.domain.errors import DamagedError, RetryError
from collector.exchanges.adapter import Adapter
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
    """Raises StoreError while the store takes nothing, RetryError for a disk that does not, UnreadableError for a file
    that cannot be read at present; all leave it in its place.

    What goes aside is first told in the archive, unless that has failed as often as to archive it: then health and the
    hole in the chain of manifests say it.
    """

    def __init__(
        self, store: StoreCall, data_dir: Path, host: str, compression_level: int, tick: Callable[[], None],
        log: FilteringBoundLogger,
    ) -> None:  # fmt: skip
        self._store = store
        self._staging = data_dir / "staging"
        self._quarantine = data_dir / "quarantine"
        self._host = host
        self._compression_level = compression_level
        self._tick = tick
        self._log = log

    def segment(self, path: Path) -> None:
        """Put a segment aside. Nothing is said where the store holds it whole, or already what stands in its place."""
        with suppress(DamagedError):
            read_through(path, self._tick)
        in_ledger = Attempts(path).count() < 2 * MAX_ATTEMPTS
        if in_ledger and self._store.call(lambda store: find_whole(store, path.stem)) is None:
            self._put_remains(path)
        self._move(path, in_ledger=in_ledger)

    def set(self, folder: Path) -> bool:
        """The same for a set that has no segment any more; false where it does not go aside.

        That is where the store has it whole, so that it is only removed, and where somebody else has removed it.
        """
        is_there = folder.exists()
        in_ledger = Attempts(folder).count() < MAX_ATTEMPTS
        if in_ledger:
            held = self._store.call(lambda store: find_whole(store, folder.name))
            # What stands in a segment's place has no rows.
            if held is not None and held.rows:
                remove_set(folder)
                self._log.info("set_confirmed", segment=folder.name)
                return False
            if held is None:
                self._put_remains(folder)
        self._move(folder, in_ledger=in_ledger)
        return is_there

    def _put_remains(self, path: Path) -> None:
        until_us = self._store.call(lambda store: received_until(store, self._host, path.stem))
        with open_salvage(path, SalvageContext(self._host, self._compression_level, until_us)) as remains:
            # Only now: pyarrow takes 50 MB.
            from collector.storage.staging.build import stage  # noqa: PLC0415

            made = self._staging / f"{path.stem}.remains"
            try:
                if made.exists():
                    remove_set(made)
                make_set(
                    self._staging,
                    made.name,
                    lambda folder: stage(remains, _nothing_to_type, folder, self._tick).manifest,
                )
            except OSError as error:
                raise RetryError(f"what is left of {path.stem} cannot be staged: {error}") from error
        for upload in uploads_of(made):
            self._store.call(partial(upload_and_confirm, upload=upload, check_first=False))
        remove_set(made)

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


def _nothing_to_type(exchange: str) -> Adapter:
    raise AssertionError(f"what is left of a segment has no messages, not of {exchange} either")
