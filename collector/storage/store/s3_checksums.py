"""Checksums that prove an object's bytes: the one sent with a put, the one the server keeps, that of fetched bytes."""

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Callable
from io import BufferedIOBase
from typing import Any, Final

from collector.domain.errors import StoreError
from collector.storage.store.object_store import ObjectInfo

_COPY_BYTES: Final = 1 << 20


def sha256_header(sha256: str) -> dict[str, str]:
    """The arguments of a put that make the server refuse other bytes."""
    return {"ChecksumSHA256": b64encode(bytes.fromhex(sha256)).decode()}


def md5_header(body: BufferedIOBase) -> dict[str, str]:
    """As `sha256_header`, for servers that know only MD5; rewinds the body."""
    digest = hashlib.file_digest(body, lambda: hashlib.md5(usedforsecurity=False))
    body.seek(0)
    return {"ContentMD5": b64encode(digest.digest()).decode()}


def whole_sha256(found: dict[str, Any]) -> str | None:
    """The SHA-256 of all bytes, if the server has it; of an object put in parts it has only a checksum of checksums."""
    value = found.get("ChecksumSHA256", "")
    if not value or "-" in value or found.get("ChecksumType", "FULL_OBJECT") != "FULL_OBJECT":
        return None
    return b64decode(value).hex()


def copied(body: Any, write: Callable[[bytes], object]) -> ObjectInfo:
    """Pass the bytes on to `write`; returns their size and checksum."""
    digest, size = hashlib.sha256(), 0
    while block := body.read(_COPY_BYTES):
        digest.update(block)
        size += len(block)
        write(block)
    return ObjectInfo(size, digest.hexdigest())


def refuse_other_bytes(body: BufferedIOBase, sha256: str, key: str, error: Exception) -> None:
    """Raise StoreError if the file's bytes were already wrong before they were sent: sending them again would not help."""
    body.seek(0)
    found = hashlib.file_digest(body, "sha256").hexdigest()
    if found != sha256:
        raise StoreError(
            f"{key}: the file has changed since it was staged: its sha256 is {found}, not {sha256}"
        ) from error
