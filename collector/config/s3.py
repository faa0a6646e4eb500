"""Types of the S3 options: addressing, encryption, storage class, tags. Checks are pure, like those in `addresses`.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html and …/userguide/object-tagging.html
"""

import re
from typing import Annotated, Final

from collector.config.rules import After, Allowed, Earlier
from collector.config.values import word

KMS: Final = "aws:kms"

_STORAGE_CLASSES: Final = ("STANDARD", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR")
"""Classes whose objects can be read at once, because each object is read back to confirm it."""

_MAX_TAGS: Final = 10
_TAG: Final = re.compile(r"([\w +\-=.:/@]{1,128}?)=([\w +\-=.:/@]{0,256})")


def tags_of(text: str) -> dict[str, str]:
    """Parse "team=research, cost=42". Raises ValueError for tags that S3 would refuse."""
    tags: dict[str, str] = {}
    parts = text.split(",") if text else []
    for part in parts:
        match = _TAG.fullmatch(part.strip())
        if match is None or match[1].lower().startswith("aws:"):
            raise ValueError("has an invalid tag")
        tags[match[1].strip()] = match[2].strip()
    if len(tags) < len(parts):
        raise ValueError("has a duplicate tag")
    if len(tags) > _MAX_TAGS:
        raise ValueError(f"has more than {_MAX_TAGS} tags")
    return tags


def _tags(text: str) -> str:
    tags_of(text)
    return text


def _one_of(*names: str) -> tuple[After, Allowed]:
    def check(text: str) -> str:
        if text not in names:
            raise ValueError("is unknown")
        return text

    named = [name or '""' for name in names]
    return After(check), Allowed(f"one of {', '.join(named[:-1])}, or {named[-1]}")


def _kms_key(text: str, earlier: Earlier) -> str:
    # An `sse` that is invalid itself is not in `data` and has its own error line.
    if text and earlier.data.get("sse", KMS) != KMS:
        raise ValueError(f"needs sse = {KMS!r}")
    return word(text)


Addressing = Annotated[str, *_one_of("auto", "path", "virtual")]
Encryption = Annotated[str, *_one_of("AES256", KMS, "")]
StorageClass = Annotated[str, *_one_of(*_STORAGE_CLASSES, "")]
KmsKey = Annotated[str, After(_kms_key), Allowed('the id, alias or ARN of a KMS key, or ""')]
Tags = Annotated[str, After(_tags), Allowed(f'up to {_MAX_TAGS} tags like "team=research, cost=42", or ""')]
