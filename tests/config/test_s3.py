from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from collector.config import ArchiveConfig
from collector.config.s3 import Addressing, Encryption, StorageClass, Tags, tags_of


def reason(kind: Any, value: object) -> str:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(value, strict=True)
    return caught.value.errors()[0]["msg"].removeprefix("Value error, ")


@pytest.mark.parametrize("name", ["", "AES256", "aws:kms"])
def test_the_server_encrypts_by_itself_or_as_it_is_told(name: str) -> None:
    assert ArchiveConfig(sse=name).sse == name


@pytest.mark.parametrize("name", ["aes256", "AWS:KMS", "none"])
def test_an_unknown_encryption_is_refused(name: str) -> None:
    assert reason(Encryption, name) == "is unknown"


@pytest.mark.parametrize("name", ["GLACIER", "DEEP_ARCHIVE", "standard"])
def test_a_class_whose_objects_cannot_be_read_at_once_is_refused(name: str) -> None:
    assert reason(StorageClass, name) == "is unknown"


def test_a_key_needs_the_encryption_that_uses_it() -> None:
    key = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd"
    assert ArchiveConfig(sse="aws:kms", sse_kms_key_id=key).sse_kms_key_id == key
    for sse in ("", "AES256"):
        with pytest.raises(ValidationError, match="needs sse = 'aws:kms'"):
            ArchiveConfig(sse=sse, sse_kms_key_id=key)


def test_a_wrong_encryption_is_one_fault_not_two() -> None:
    with pytest.raises(ValidationError) as caught:
        ArchiveConfig(sse="kms", sse_kms_key_id="key")
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
def test_tags_are_pairs_between_commas(text: str, tags: dict[str, str]) -> None:
    assert tags_of(text) == tags
    assert ArchiveConfig(tags=text).tag_pairs == tags


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
def test_what_s3_would_not_take_as_tags_is_refused(text: str, expected: str) -> None:
    assert reason(Tags, text) == expected


@pytest.mark.parametrize("name", ["auto", "path", "virtual"])
def test_addressing_is_automatic_or_as_configured(name: str) -> None:
    assert ArchiveConfig(addressing=name).addressing == name


@pytest.mark.parametrize("name", ["", "Path", "host"])
def test_an_unknown_way_to_address_a_bucket_is_refused(name: str) -> None:
    assert reason(Addressing, name) == "is unknown"
