from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from collector.config import ArchiveConfig
from collector.config.s3 import Addressing, Encryption, StorageClass, Tags, tags_of
from collector.config.validation import pydantic_type, validated


def reason(kind: Any, value: object) -> str:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(pydantic_type(kind)).validate_python(value, strict=True)
    return caught.value.errors()[0]["msg"].removeprefix("Value error, ")


@pytest.mark.parametrize("name", ["", "AES256", "aws:kms"])
def test_encryption_is_the_buckets_default_or_a_configured_one(name: str) -> None:
    assert validated(ArchiveConfig, {"sse": name}).sse == name


@pytest.mark.parametrize("name", ["aes256", "AWS:KMS", "none"])
def test_an_unknown_encryption_is_refused(name: str) -> None:
    assert reason(Encryption, name) == "is unknown"


@pytest.mark.parametrize("name", ["GLACIER", "DEEP_ARCHIVE", "standard"])
def test_a_storage_class_without_immediate_reads_is_refused(name: str) -> None:
    assert reason(StorageClass, name) == "is unknown"


def test_a_key_needs_the_encryption_that_uses_it() -> None:
    key = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd"
    assert validated(ArchiveConfig, {"sse": "aws:kms", "sse_kms_key_id": key}).sse_kms_key_id == key
    for sse in ("", "AES256"):
        with pytest.raises(ValidationError, match="needs sse = 'aws:kms'"):
            validated(ArchiveConfig, {"sse": sse, "sse_kms_key_id": key})


def test_a_wrong_encryption_with_a_key_is_one_problem() -> None:
    with pytest.raises(ValidationError) as caught:
        validated(ArchiveConfig, {"sse": "kms", "sse_kms_key_id": "key"})
    assert [fault["loc"] for fault in caught.value.errors()] == [("sse",)]


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("", {}),
        ("team=research", {"team": "research"}),
        ("team=research, cost=42", {"team": "research", "cost": "42"}),
        ("a b = c d ,empty=", {"a b": "c d", "empty": ""}),
        ("k=a=b", {"k": "a=b"}),
    ],
)
def test_tags_are_comma_separated_pairs(text: str, tags: dict[str, str]) -> None:
    assert tags_of(text) == tags
    assert validated(ArchiveConfig, {"tags": text}).tag_pairs == tags


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("team", "has an invalid tag"),
        ("=x", "has an invalid tag"),
        ("a=b,", "has an invalid tag"),
        ("a=b&c=d", "has an invalid tag"),
        ("aws:x=y", "has an invalid tag"),
        ("k" * 129 + "=v", "has an invalid tag"),
        ("k=" + "v" * 257, "has an invalid tag"),
        ("a=1, a=2", "has a duplicate tag"),
        (",".join(f"k{number}=v" for number in range(11)), "has more than 10 tags"),
    ],
)
def test_tags_that_s3_would_refuse_are_refused(text: str, expected: str) -> None:
    assert reason(Tags, text) == expected


@pytest.mark.parametrize("name", ["auto", "path", "virtual"])
def test_addressing_is_automatic_or_as_configured(name: str) -> None:
    assert validated(ArchiveConfig, {"addressing": name}).addressing == name


@pytest.mark.parametrize("name", ["", "Path", "host"])
def test_an_unknown_addressing_style_is_refused(name: str) -> None:
    assert reason(Addressing, name) == "is unknown"
