import pytest

from collector.http.host_header import Target, is_loopback, parse_target


@pytest.mark.parametrize(
    ("target", "host", "found"),
    [
        ("/metrics", "localhost:9464", Target("/metrics", "localhost")),
        ("/status?pretty=1", "127.0.0.1", Target("/status", "127.0.0.1")),
        ("/", "[::1]:9464", Target("/", "::1")),
        ("/", "RECORDER.example.org", Target("/", "recorder.example.org")),
        ("/", "", Target("/", "")),
        ("http://LocalHost:9464/metrics?x=1", "evil.example", Target("/metrics", "localhost")),
        ("HTTP://127.0.0.1", "127.0.0.1", Target("/", "127.0.0.1")),
        ("https://evil.example/metrics", "localhost", Target("/metrics", "evil.example")),
    ],
)
def test_an_absolute_target_overrides_the_host_field(target: str, host: str, found: Target) -> None:
    assert parse_target(target, [host], must_name=True) == found


@pytest.mark.parametrize(
    "host", ["user@localhost", "localhost/x", "[::1", "::1", "local host", "a:b", "http://localhost"]
)
def test_an_invalid_host_header_is_refused(host: str) -> None:
    assert parse_target("/", [host], must_name=True) is None


def test_exactly_one_host_or_none_before_http_1_1() -> None:
    assert parse_target("/", ["localhost", "localhost"], must_name=False) is None
    assert parse_target("/", [], must_name=True) is None
    assert parse_target("/", [], must_name=False) == Target("/", None)


@pytest.mark.parametrize(
    ("host", "verdict"),
    [
        ("localhost", True), ("127.0.0.1", True), ("127.8.9.10", True), ("::1", True), ("", False),
        ("127.0.0.1.evil.example", False), ("localhost.evil.example", False), ("0.0.0.0", False), ("10.0.0.1", False),
    ],
)  # fmt: skip
def test_is_loopback_decides_without_a_name_lookup(host: str, verdict: bool) -> None:
    assert is_loopback(host) is verdict
