"""The contract of an archive store: whole objects under keys, confirmed by size and checksum."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from collector.domain.errors import StoreError


class ObjectInfo(NamedTuple):
    """What the store holds under a key."""

    size_bytes: int
    sha256: str
    """Lower-case hex, of the bytes the store holds."""


class ObjectStore(Protocol):
    """A place for finished files. Keys are relative POSIX paths. An object is there whole or not at all.

    Every method raises StoreError when the store does not do what was asked, and StoreRefusedError when it will not
    before a person mends something; asking again later is safe. Several threads may use one store.
    """

    @property
    def url(self) -> str:
        """Where the store is, for people; without secrets."""
        ...

    def check(self) -> None:
        """Prove that objects can be put and confirmed; leaves nothing behind that `keys` would name."""
        ...

    def put(self, key: str, source: Path, sha256: str) -> None:
        """Store the file under `key`, replacing what was there; refuses bytes that do not match `sha256`."""
        ...

    def head(self, key: str) -> ObjectInfo | None:
        """Size and checksum of what is stored under `key`, read from the store itself; None if there is nothing."""
        ...

    def read(self, key: str) -> bytes | None:
        """The object's bytes; None if there is nothing. For manifests, not for large objects."""
        ...

    def fetch(self, key: str, target: Path) -> ObjectInfo | None:
        """Copy the object into the file `target`; size and checksum of the bytes that came. None, and no file, if there is nothing."""
        ...

    def keys(self, prefix: str) -> Iterator[str]:
        """Every key below `prefix`, in order."""
        ...


def require_key(key: str) -> None:
    """Raise StoreError for a key that could leave the store, or that no file can have."""
    if "\0" in key or not {"", ".", ".."}.isdisjoint(key.split("/")):
        raise StoreError(f"{key!r} is no key")
