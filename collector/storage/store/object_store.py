"""The contract of an archive store: whole objects under keys, confirmed by size and checksum."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from collector.domain.errors import StoreError


class ObjectInfo(NamedTuple):
    """Size and checksum of an object in the store."""

    size_bytes: int
    sha256: str
    """Lower-case hex, of the bytes that the store holds."""


class ObjectStore(Protocol):
    """Keeps finished files as objects. Keys are relative POSIX paths. An object is there whole or not at all.

    Every method raises StoreError if the call failed, and StoreRefusedError if it will fail until a person changes
    something. Every call may be repeated. Several threads may use one store.
    """

    @property
    def url(self) -> str:
        """The store's URL for people, without secrets."""
        ...

    def check(self) -> None:
        """Prove that objects can be put and confirmed; leaves nothing behind that `keys` would list."""
        ...

    def put(self, key: str, source: Path, sha256: str) -> None:
        """Store the file under `key`, replacing any object there; refuses bytes that do not match `sha256`."""
        ...

    def head(self, key: str) -> ObjectInfo | None:
        """Size and checksum of the object under `key`, as the store itself reports them; None if there is none."""
        ...

    def read(self, key: str) -> bytes | None:
        """The object's bytes; None if there is none. For manifests, not for large objects."""
        ...

    def fetch(self, key: str, target: Path) -> ObjectInfo | None:
        """Copy the object into the file `target`; returns size and checksum of the copied bytes. None, and no file, if there is none."""
        ...

    def keys(self, prefix: str) -> Iterator[str]:
        """Every key that begins with `prefix`, in order."""
        ...


def require_key(key: str) -> None:
    """Raise StoreError for a key that would lead outside the store, or that no file can have."""
    if "\0" in key or not {"", ".", ".."}.isdisjoint(key.split("/")):
        raise StoreError(f"{key!r} is not a valid key")
