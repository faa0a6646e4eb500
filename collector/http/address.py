"""The address at which a browser or a tool on this machine asks for what is served."""

from collections.abc import Mapping
from typing import Final

EVERYWHERE: Final[Mapping[str, str]] = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (addresses to ask, not to bind)
"""Hosts that stand for all addresses of this machine, and one of them that answers."""


def local_url(host: str, port: int) -> str:
    """`http://host:port` for somebody on this machine."""
    reached = EVERYWHERE.get(host, host)
    return f"http://{f'[{reached}]' if ':' in reached else reached}:{port}"
