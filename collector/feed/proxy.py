"""The proxy that the environment configures, for WebSocket and REST alike: `http_proxy`, `https_proxy`, `no_proxy`."""

from ipaddress import ip_address, ip_network
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

_VARIABLES: Final = {"ws": "http", "wss": "https", "http": "http", "https": "https"}
_DEFAULT_PORT: Final = 80
_LOOPBACK_NETWORKS: Final = ["127.0.0.0/8", "::1"]


class Proxy(NamedTuple):
    """An HTTP proxy."""

    host: str
    port: int
    user: str
    password: str

    @property
    def url(self) -> str:
        """Its URL without user and password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def proxy_for(url: str) -> Proxy | None:
    """The proxy to use for this URL; None if the environment configures none, or excludes the URL's host.

    No proxy is used for this machine itself.
    Raises ValueError for a variable that is not an HTTP proxy; the text names the variable but does not quote it.
    """
    parts = urlsplit(url)
    scheme = _VARIABLES[parts.scheme]
    proxies = getproxies()
    text = proxies.get(scheme, "").strip()
    if not text or _is_excluded(parts.hostname or "", parts.netloc, proxies.get("no", "")):
        return None
    proxy = _parse(text)
    if proxy is None:
        raise ValueError(f"{scheme}_proxy: is not an HTTP proxy; must be like http://[user:password@]host[:port]")
    return proxy


def peer_of(url: str, proxy: Proxy | None) -> tuple[str, int]:
    """Host name and port to connect to for this URL: the proxy's, or the URL's own."""
    if proxy is not None:
        return proxy.host, proxy.port
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme in {"wss", "https"} else 80)


def _parse(text: str) -> Proxy | None:
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        host, port = parts.hostname or "", _DEFAULT_PORT if parts.port is None else parts.port
        if parts.scheme != "http" or not host.encode("idna") or not port:
            return None
    except ValueError:
        return None
    return Proxy(host, port, unquote(parts.username or ""), unquote(parts.password or ""))


def _is_excluded(host: str, netloc: str, no_proxy: str) -> bool:
    excluded = [name.strip() for name in no_proxy.split(",")]
    excluded += _LOOPBACK_NETWORKS
    return (
        host == "localhost"
        or "*" in excluded
        or bool(proxy_bypass(netloc))
        or any(_contains(name, host) for name in excluded)
    )


def _contains(network: str, host: str) -> bool:
    try:
        return ip_address(host) in ip_network(network, strict=False)
    except ValueError:
        return False
