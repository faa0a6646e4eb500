"""Journal files that were read to their end. A seal removes them, because their rows are sealed then.

The newest file of a relay stays, because the next relay begins from what it says of the edges.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from collector.domain.disk_waits import disk_wait
from collector.storage.journal.incarnations import remove_dead
from collector.storage.journal.listing import ListedFile, Listing
from collector.storage.journal.position import Position
from collector.storage.journal.tail import Tails

Positions = Mapping[str, Position]
"""How far each file was read, by file id."""


class FinishedJournals:
    """Finds and removes the files in the journals' folder that were read to their end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._tails = Tails()

    def paths(self, positions: Positions) -> Iterator[Path]:
        """Paths of finished files to which nothing was appended since they were read."""
        ended = {file_id: position for file_id, position in positions.items() if position.ended}
        for feed in {position.feed for position in ended.values()}:
            for file in self._removable(feed):
                file_id = file.file_id(feed)
                if file_id in ended and not self._tails.goes_on(file.path, ended[file_id].offset):
                    yield file.path

    def remove(self, positions: Positions) -> None:
        """Remove them, and the locks of the dead beside them. Their rows are sealed, and positions.json knows their numbers."""
        folders = set()
        for path in self.paths(positions):
            with disk_wait():
                path.unlink()
            folders.add(path.parent)
        for folder in folders:
            remove_dead(folder)

    def largest_bytes(self, positions: Positions) -> int:
        """Largest number of bytes, over the feeds, that a seal would free."""
        ended = {(position.feed, position.number) for position in positions.values() if position.ended}
        sizes: Counter[str] = Counter()
        for feed in {feed for feed, _ in ended}:
            files = [file.path for file in self._removable(feed) if (feed, file.number) in ended]
            sizes[feed] = sum(path.stat().st_size for path in files)
        return max(sizes.values(), default=0)

    def positions_to_keep(self, positions: Positions) -> dict[str, Position]:
        """Positions of the files that are present and, for each feed, of the file with the highest number ever read."""
        highest: dict[str, int] = {}
        for position in positions.values():
            highest[position.feed] = max(position.number, highest.get(position.feed, 0))
        present = {file.file_id(feed) for feed in highest for file in self._files(feed)}
        return {
            file_id: position
            for file_id, position in positions.items()
            if file_id in present or position.number == highest[position.feed]
        }

    def _removable(self, feed: str) -> list[ListedFile]:
        files = self._files(feed)
        of_relay = [file for file in files if file.header is not None and file.header.sources is not None]
        return [file for file in files if file not in of_relay[-1:]]

    def _files(self, feed: str) -> list[ListedFile]:
        listing = Listing(self._folder / feed)
        listing.look()
        return list(listing)
