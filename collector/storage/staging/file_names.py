"""The names of the files in a set."""

import hashlib

from collector.domain.names import OBJECT_SUFFIX


def object_file_name(key: str) -> str:
    """The name of an object's file in its set: a hash of the key, which may be too long for a file name."""
    return hashlib.blake2b(key.encode(), digest_size=16).hexdigest() + OBJECT_SUFFIX
