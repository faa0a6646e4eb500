"""The journal files in a feed's folder and their heads, each of which is read once."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from collector.storage.journal.files import journal_entries
from collector.storage.journal.format import FeedIdentity, JournalHeader
from collector.storage.journal.head import header_at, headless_id


class ListedFile(NamedTuple):
    """A journal file as it was listed."""

    number: int
    path: Path
    inode: int
    header: JournalHeader | None
    """None while it cannot be read."""

    @property
    def incarnation(self) -> str:
        """The incarnation that wrote it; a file whose head cannot be read stands for itself."""
        return self.path.name if self.header is None else self.header.incarnation

    @property
    def sequence(self) -> str:
        """What its incarnation shares with those side by side with it: they number connections together."""
        return self.path.name if self.header is None else self.header.writer_id

    def file_id(self, feed: str) -> str:
        """Its permanent id, as `head.file_id_of` finds it."""
        return headless_id(feed, self.number) if self.header is None else self.header.file_id


class Listing:
    """The files of one folder, ordered by number."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, ListedFile] = {}
        self._identity: FeedIdentity | None = None

    def __iter__(self) -> Iterator[ListedFile]:
        return iter(self._known.values())

    def __len__(self) -> int:
        return len(self._known)

    def look(self) -> bool:
        """List the folder again; returns whether anything is other than before. Raises NewerDataError."""
        found = {name: self._listed(number, name, inode) for number, name, inode in journal_entries(self._folder)}
        before, self._known = self._known, found
        return before != found

    def goes_on_after(self, header: JournalHeader) -> bool:
        """Whether its incarnation has begun another file, which it does only after a whole record."""
        return any(
            file.number > header.number and file.header is not None and file.header.incarnation == header.incarnation
            for file in self
        )

    def _listed(self, number: int, name: str, inode: int) -> ListedFile:
        known = self._known.get(name)
        if known is not None and known.inode == inode and known.header is not None:
            return known
        path = self._folder / name
        header = header_at(path)
        if header is not None:
            # Whoever compares identities, with thousands of symbols each, finds those of two incarnations the same object.
            self._identity = header.identity if header.identity != self._identity else self._identity
            # A relay's heads hold those of the edges' files; whoever needs them reads them again.
            header = header._replace(identity=self._identity, sources=None if header.sources is None else ())
        return ListedFile(number, path, inode, header)
