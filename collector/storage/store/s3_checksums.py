"""What proves the bytes of an object: the checksum it goes up with, the one the server keeps, and that of what came."""

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Callable
from io import BufferedIOBase
from typing import Any, Final

from collector.domain.errors import StoreError
from collector.storage.store.object_store import ObjectInfo

_COPY_BYTES: Final = 1 << 20


def sha256_header(sha256: str) -> dict[str, str]:
    """The argument of a put that makes a server refuse other bytes."""
    return {"ChecksumSHA256": b64encode(bytes.fromhex(sha256)).decode()}


def md5_header(body: BufferedIOBase) -> dict[str, str]:
    """The same for servers that know only this; the body stands at its beginning again."""
    digest = hashlib.file_digest(body, lambda: hashlib.md5(usedforsecurity=False))
    body.seek(0)
    return {"ContentMD5": b64encode(digest.digest()).decode()}


def whole_sha256(found: dict[str, Any]) -> str | None:
    """The checksum of all bytes, if the server has it: that of an object put in parts is made of those of its parts."""
    value = found.get("ChecksumSHA256", "")
    if not value or "-" in value or found.get("ChecksumType", "FULL_OBJECT") != "FULL_OBJECT":
        return None
    return b64decode(value).hex()


def copied(body: Any, write: Callable[[bytes], object]) -> ObjectInfo:
    """Pass the bytes on; what they were."""
    digest, size = hashlib.sha256(), 0
    while block := body.read(_COPY_BYTES):
        digest.update(block)
        size += len(block)
        write(block)
    return ObjectInfo(size, digest.hexdigest())


def refuse_other_bytes(body: BufferedIOBase, sha256: str, key: str, error: Exception) -> None:
    """Raise StoreError if the bytes were wrong before they were sent: sending them again would not help."""
    body.seek(0)
    found = hashlib.file_digest(body, "sha256").hexdigest()
    if found != sha256:
        raise StoreError(
            f"{key}: the file is not what was to be stored: its sha256 is {found}, not {sha256}"
        ) from error
