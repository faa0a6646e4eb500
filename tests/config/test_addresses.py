from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from collector.config.addresses import ArchiveUrl, Host, HttpUrl, Region, WsUrl, archive_of, daily_of, daily_problem
from collector.config.validation import pydantic_type


def reason(kind: Any, value: object) -> str:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(pydantic_type(kind)).validate_python(value, strict=True)
    return caught.value.errors()[0]["msg"].removeprefix("Value error, ")


def normal(kind: Any, value: str) -> object:
    return TypeAdapter(pydantic_type(kind)).validate_python(value, strict=True)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", ""),
        ("ws://127.0.0.1:8080", "ws://127.0.0.1:8080"),
        ("wss://stream.binance.com:9443/", "wss://stream.binance.com:9443"),
        ("wss://[::1]:9443/prefix/", "wss://[::1]:9443/prefix"),
    ],
)
def test_a_websocket_address_has_no_slash_at_its_end(given: str, expected: str) -> None:
    assert normal(WsUrl, given) == expected


@pytest.mark.parametrize("url", ["http://h", "wss:/h", "h:9443", "WSS://h", "ftp://h", "file:///x"])
def test_a_websocket_address_has_a_websocket_scheme(url: str) -> None:
    assert reason(WsUrl, url) == "has the wrong scheme"


@pytest.mark.parametrize("url", ["wss://u:p@h", "wss://key@h", "wss://h?key=s", "wss://h/#s", "wss://h/?"])
def test_an_address_that_may_hold_a_secret_is_refused(url: str) -> None:
    assert reason(WsUrl, url) == "contains a user, password, query or fragment"


@pytest.mark.parametrize(
    "url", ["wss://", "wss:///p", "wss://:443", "wss://h:0", "wss://h:70000", "wss://h:x", "wss://[h"]
)
def test_an_address_names_a_host_and_a_valid_port(url: str) -> None:
    assert reason(WsUrl, url) == "has no valid host or port"


LONG_LABEL = "a" * 64


@pytest.mark.parametrize("host", ["stream..binance.com", f"{LONG_LABEL}.com", ".binance.com"])
def test_a_host_name_that_cannot_be_looked_up_is_refused(host: str) -> None:
    assert reason(WsUrl, f"wss://{host}") == "has no valid host or port"
    assert reason(HttpUrl, f"https://{host}/x") == "has no valid host or port"
    assert reason(Host, host) == "has an empty label or one longer than 63 characters"


@pytest.mark.parametrize("host", ["stream.binance.com.", "bücher.example", "[fe80::1%25eth0]", "a" * 63])
def test_a_host_name_that_can_be_looked_up_is_kept_unchanged(host: str) -> None:
    assert normal(WsUrl, f"wss://{host}") == f"wss://{host}"


@pytest.mark.parametrize("url", ["wss://h h", "wss://h\t", "wss://h\n", "wss://\udc80"])
def test_an_address_has_no_spaces_or_control_characters(url: str) -> None:
    assert reason(WsUrl, url) == "contains a space or a control character"


def test_a_rest_address_is_http_or_https() -> None:
    assert normal(HttpUrl, "https://api.binance.com") == "https://api.binance.com"
    assert normal(HttpUrl, "http://127.0.0.1:9000/") == "http://127.0.0.1:9000"
    assert reason(HttpUrl, "wss://h") == "has the wrong scheme"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", ""),
        ("file:///srv/archive", "file:///srv/archive"),
        ("file:///srv/my archive/", "file:///srv/my%20archive"),
        ("file:///srv/my%20archive", "file:///srv/my%20archive"),
        ("s3://x", "s3://x"),
        ("s3://bucket/", "s3://bucket"),
        ("s3://bucket/a/b/", "s3://bucket/a/b"),
    ],
)
def test_an_archive_is_a_folder_or_a_bucket_with_a_prefix(given: str, expected: str) -> None:
    assert normal(ArchiveUrl, given) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("s3:/bucket", "does not begin with file:/// or s3://"),
        ("gs://bucket", "does not begin with file:/// or s3://"),
        ("/srv/archive", "does not begin with file:/// or s3://"),
        ("S3://bucket", "does not begin with file:/// or s3://"),
        ("s3://", "names no bucket"),
        ("s3:///prefix", "names no bucket"),
        ("s3://key:secret@bucket", "has a bucket name with characters other than A-Z a-z 0-9 . _ -"),
        ("s3://bucket:9000/x", "has a bucket name with characters other than A-Z a-z 0-9 . _ -"),
        ("s3://bucket//x", 'has an empty part, "." or ".." in its prefix'),
        ("s3://bucket/../x", 'has an empty part, "." or ".." in its prefix'),
        ("s3://bucket/x?versionId=3", "contains a query, a fragment or a control character"),
        ("file://srv/archive", "needs three slashes before the folder"),
        ("file://", "needs three slashes before the folder"),
        ("file:///", "names no folder"),
        ("file:///%ff", "names no folder"),
        ("file:///a%00b", "names no folder"),
        ("file:///a\nb", "contains a query, a fragment or a control character"),
    ],
)
def test_a_bad_archive_address_has_one_clear_reason(url: str, expected: str) -> None:
    assert reason(ArchiveUrl, url) == expected


def test_a_region_is_a_word_without_spaces() -> None:
    assert normal(Region, "eu-central-1") == "eu-central-1"
    assert normal(Region, "") == ""
    assert reason(Region, "eu central") == "is not a region name"


def test_a_host_is_not_empty_and_has_no_spaces() -> None:
    assert normal(Host, "::1") == "::1"
    assert reason(Host, "a b") == "contains a space or a control character"
    assert reason(Host, "") == "is empty"


def test_day_files_are_beside_the_archive_by_default() -> None:
    assert daily_of("file:///srv/archive") == "file:///srv/archive-daily"
    assert daily_of("s3://bucket/a/b") == "s3://bucket/a/b-daily"
    assert daily_of("s3://bucket") == ""
    assert archive_of("s3://bucket/a-daily") == "s3://bucket/a"
    assert archive_of("s3://bucket/a") == ""
    assert archive_of("s3://bucket-daily") == ""


@pytest.mark.parametrize("daily", ["s3://b/x", "s3://b/x/daily", "s3://b"])
def test_one_tree_never_lies_in_the_other(daily: str) -> None:
    assert "beside" in daily_problem("s3://b/x", daily)
    assert daily_problem("s3://b/x", "s3://b/x-daily") == ""


def test_a_folder_is_the_same_however_it_is_spelled(tmp_path: Path) -> None:
    (tmp_path / "archive").mkdir()
    (tmp_path / "link").symlink_to("archive")
    url = (tmp_path / "archive").as_uri()
    for other in ("link", "archive/_manifest/..", "none/../archive"):
        spelled = f"{tmp_path.as_uri()}/{other}"
        assert "beside" in daily_problem(url, spelled)
        assert "beside" in daily_problem(spelled, url)
        assert daily_of(spelled) == f"{url}-daily"
    assert archive_of(f"{tmp_path.as_uri()}/archive/../archive-daily") == url
