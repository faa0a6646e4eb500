"""What cannot be archived goes to `quarantine/`, once the gap ledger in the archive says what is missing."""

from functools import partial
from pathlib import Path

from collector.domain.errors import RetryError
from collector.exchanges.adapter import Adapter
from collector.processes.delivery import deliver
from collector.processes.stager import Ask
from collector.storage.attempts import Attempts
from collector.storage.durable import sync
from collector.storage.manifest import Manifest
from collector.storage.manifests import find_whole, received_until
from collector.storage.objects import ObjectStore
from collector.storage.remains import Surroundings, open_remains
from collector.storage.staged import make_set, remove_set, uploads_of


class SetAside:
    """Raises StoreError while the store takes nothing, RetryError for a disk that does not; both leave all in its place."""

    def __init__(self, store: ObjectStore, data_dir: Path, host: str, compression_level: int, ask: Ask) -> None:
        self._store = store
        self._staging = data_dir / "staging"
        self._quarantine = data_dir / "quarantine"
        self._host = host
        self._compression_level = compression_level
        self._ask = ask

    def segment(self, path: Path, *, in_ledger: bool) -> Path:
        """Say in the archive what is missing, and only then put the segment aside; returns where to.

        Not `in_ledger`: to say so has failed as often as to archive it; health and the hole in the chain of manifests
        say it. Nothing is said where the store holds the segment whole, or already what stands in its place.
        """
        if in_ledger and self._ask(partial(find_whole, self._store, path.stem)) is None:
            self._put_remains(path)
        return self._move(path)

    def set(self, folder: Path, *, in_ledger: bool) -> Path | None:
        """The same for a set that has no segment any more; None where the store has it whole, and it is only removed."""
        if in_ledger:
            held = self._ask(partial(find_whole, self._store, folder.name))
            # What stands in a segment's place has no rows.
            if held is not None and held.rows:
                remove_set(folder)
                return None
            if held is None:
                self._put_remains(folder)
        return self._move(folder)

    def _put_remains(self, path: Path) -> None:
        until_us = self._ask(partial(received_until, self._store, self._host, path.stem))
        with open_remains(path, Surroundings(self._host, self._compression_level, until_us)) as remains:
            # Only now: pyarrow takes 50 MB.
            from collector.storage.staging import stage  # noqa: PLC0415

            def write(folder: Path) -> Manifest:
                return stage(remains, _nothing_to_type, folder, lambda: None).manifest

            made = self._staging / f"{path.stem}.remains"
            try:
                if made.exists():
                    remove_set(made)
                make_set(self._staging, made.name, write)
            except OSError as error:
                raise RetryError(f"what is left of {path.stem} cannot be staged: {error}") from error
        for upload in uploads_of(made):
            self._ask(partial(deliver, self._store, upload, ask_first=False))
        remove_set(made)

    def _move(self, path: Path) -> Path:
        self._quarantine.mkdir(parents=True, exist_ok=True)
        path.rename(self._quarantine / path.name)
        sync(self._quarantine)
        sync(path.parent)
        Attempts(path).note(0)
        return self._quarantine


def _nothing_to_type(exchange: str) -> Adapter:
    raise AssertionError(f"what is left of a segment has no messages, not of {exchange} either")
