"""The proxy that the environment names, by one rule for WebSocket and REST: `http_proxy`, `https_proxy`, `no_proxy`."""

from ipaddress import ip_address, ip_network
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

_VARIABLES: Final = {"ws": "http", "wss": "https", "http": "http", "https": "https"}
_DEFAULT_PORT: Final = 80
_OWN_NETWORKS: Final = ["127.0.0.0/8", "::1"]


class Proxy(NamedTuple):
    """An HTTP proxy."""

    host: str
    port: int
    user: str
    password: str

    @property
    def url(self) -> str:
        """Where it listens, without what it is told in confidence."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def proxy_for(url: str) -> Proxy | None:
    """The proxy through which this address is reached; None where the environment names none, or excepts its host.

    This machine itself is never reached through one.
    Raises ValueError, which names the variable and shows nothing of it, where it names no HTTP proxy.
    """
    parts = urlsplit(url)
    scheme = _VARIABLES[parts.scheme]
    proxies = getproxies()
    text = proxies.get(scheme, "").strip()
    if not text or _is_excepted(parts.hostname or "", parts.netloc, proxies.get("no", "")):
        return None
    proxy = _read(text)
    if proxy is None:
        raise ValueError(f"{scheme}_proxy: is no HTTP proxy; must be like http://[user:password@]host[:port]")
    return proxy


def peer_of(url: str, proxy: Proxy | None) -> tuple[str, int]:
    """Name and port of whoever is connected to when this address is asked: the proxy, or its own host."""
    if proxy is not None:
        return proxy.host, proxy.port
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme in {"wss", "https"} else 80)


def _read(text: str) -> Proxy | None:
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        host, port = parts.hostname or "", _DEFAULT_PORT if parts.port is None else parts.port
        if parts.scheme != "http" or not host.encode("idna") or not port:
            return None
    except ValueError:
        return None
    return Proxy(host, port, unquote(parts.username or ""), unquote(parts.password or ""))


def _is_excepted(host: str, netloc: str, no_proxy: str) -> bool:
    excepted = [name.strip() for name in no_proxy.split(",")]
    excepted += _OWN_NETWORKS
    return (
        host == "localhost" or "*" in excepted or bool(proxy_bypass(netloc)) or any(_holds(it, host) for it in excepted)
    )


def _holds(network: str, host: str) -> bool:
    try:
        return ip_address(host) in ip_network(network, strict=False)
    except ValueError:
        return False
