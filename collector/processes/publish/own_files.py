"""The journal files of a feed on this edge: how many bytes storage lacks of them, and their removal behind it."""

from collections.abc import Sequence
from pathlib import Path

from collector.bus.places import EdgePlace
from collector.domain.log import Log
from collector.processes.publish.storage_place import OwnFile, positions, removable
from collector.storage.journal.files import journal_path
from collector.storage.journal.lag import Lag, lag_of
from collector.storage.journal.listing import Listing
from collector.storage.journal.tail import Tails


class OwnFiles:
    """The files in a folder, listed anew at each look."""

    def __init__(self, folder: Path, feed: str, log: Log) -> None:
        self._folder = folder
        self._feed = feed
        self._log = log
        self._listing = Listing(folder)
        self._tails = Tails()

    def look(self) -> list[OwnFile]:
        """The files that are there. Raises OSError, NewerDataError."""
        self._listing.look()
        found = []
        for file in self._listing:
            try:
                size = file.path.stat().st_size
            except FileNotFoundError:
                continue  # removed by somebody since it was listed
            found.append(OwnFile(file.file_id(self._feed), file.number, size))
        return found

    def lag(self, place: EdgePlace, files: Sequence[OwnFile]) -> Lag:
        """How much storage does not have."""
        known = positions(place, self._feed, files)
        starts = [(file, known.get(file.file_id)) for file in files]
        pending = [
            (self._path(file), 0 if at is None else at.offset) for file, at in starts if at is None or not at.ended
        ]
        return lag_of(pending, len(files))

    def remove_behind(self, place: EdgePlace, files: Sequence[OwnFile]) -> None:
        """Remove the files that storage has to their end. Raises OSError."""
        for file, end in removable(place, files).items():
            if self._tails.goes_on(self._path(file), end):
                continue  # its ingest was taken for dead too early: the rest is published first
            self._path(file).unlink(missing_ok=True)
            self._log.debug("journal_file_removed", file=file.number)

    def _path(self, file: OwnFile) -> Path:
        return journal_path(self._folder, file.number)
