import pytest

from collector.feed.proxy import Proxy, proxy_for

URL = "wss://stream.binance.com:9443"


@pytest.fixture(autouse=True)
def _no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def test_the_urls_scheme_chooses_the_proxy_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://plain:1")
    monkeypatch.setenv("HTTPS_PROXY", "http://secure:2")

    assert [proxy_for(url) for url in ("ws://h", "http://h")] == [Proxy("plain", 1, "", "")] * 2
    assert [proxy_for(url) for url in ("wss://h", "https://h")] == [Proxy("secure", 2, "", "")] * 2


@pytest.mark.parametrize(
    ("text", "proxy"),
    [
        ("proxy.corp:3128", Proxy("proxy.corp", 3128, "", "")),
        ("proxy.corp", Proxy("proxy.corp", 80, "", "")),
        (" http://proxy.corp:3128/ ", Proxy("proxy.corp", 3128, "", "")),
        ("HTTP://me:p%40ss@[::1]:3128", Proxy("::1", 3128, "me", "p@ss")),
        ("", None),
        (" ", None),
    ],
)
def test_a_proxy_may_be_written_without_its_scheme(
    text: str, proxy: Proxy | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", text)
    assert proxy_for(URL) == proxy


def test_a_proxys_url_has_no_password() -> None:
    assert Proxy("::1", 3128, "me", "secret").url == "http://[::1]:3128"


@pytest.mark.parametrize(
    "text",
    [
        "http://proxy:abc", "http://proxy:0", "http://proxy:99999", "http://", "http://:3128", "http://a..b:1", "http://[::1",
        "socks5://me:secret@proxy:1080", "https://proxy:443", "://secret",
    ],
)  # fmt: skip
def test_a_value_that_is_not_an_http_proxy_is_refused_and_not_shown(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", text)
    with pytest.raises(ValueError, match=r"^https_proxy: is not an HTTP proxy; must be like http://") as caught:
        proxy_for(URL)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "no_proxy"),
    [
        (URL, "*"),
        (URL, "x, *"),
        (URL, "stream.binance.com"),
        (URL, "other.example, .binance.com"),
        (URL, "binance.com"),
        (URL, "stream.binance.com:9443"),
        ("ws://10.1.2.3:80", "10.0.0.0/8"),
        ("ws://[fd00::1]:80", "fd00::1"),
        ("ws://127.0.0.1:80", ""),
        ("http://[::1]:80", "other.example"),
        ("ws://localhost:80", ""),
    ],
)
def test_a_host_in_no_proxy_is_reached_directly(url: str, no_proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "socks5://whatever")
    monkeypatch.setenv("no_proxy", no_proxy)
    assert proxy_for(url) is None


@pytest.mark.parametrize("no_proxy", ["ance.com", "binance.com:80", "10.0.0.0/8", "::1", ","])
def test_a_host_not_in_no_proxy_goes_through_the_proxy(no_proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "proxy:3128")
    monkeypatch.setenv("no_proxy", no_proxy)
    assert proxy_for(URL) == Proxy("proxy", 3128, "", "")
