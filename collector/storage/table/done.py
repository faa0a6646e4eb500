"""What was looked at already, in a small file: only so that not every manifest is read again at each start.

It decides nothing: without it, or with an older one, all is looked at again, and what the tables have is not added twice. It
grows by some 60 bytes a day of the archive.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from collector.storage.durable import write_durably

VERSION: Final = 1


class DoneDates(msgspec.Struct):
    """Dates whose manifests, as they were listed, are in the tables; and of the pruned files what was removed from them."""

    of: str
    """The archive and the catalog."""
    version: int = VERSION
    tables: dict[str, str] = {}
    """The identity of each table, by data type: a table that was made anew has to be filled anew."""
    dates: dict[str, str] = {}
    """By date, what `listing_digest` said."""
    pruned: dict[str, str] = {}
    """By date, the checksum of the record of what was pruned."""
    snapshots: dict[str, int] = {}
    """The newest snapshot of each table that was seen: one that does not follow from it has to be filled anew."""


def listing_digest(keys: Iterable[str]) -> str:
    """A short text that changes if other manifests are listed."""
    digest = hashlib.blake2b(digest_size=8)
    for key in keys:
        digest.update(f"{key}\n".encode())
    return digest.hexdigest()


def load_done(path: Path, of: str) -> DoneDates:
    """What the file says; nothing is done if there is none, or if it is of another archive or catalog, or cannot be read."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=DoneDates)
    except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
        return DoneDates(of)
    return found if (found.of, found.version) == (of, VERSION) else DoneDates(of)


def save_done(path: Path, done: DoneDates) -> None:
    """Replace the file. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_durably(path, msgspec.json.encode(done))
