"""Whom a request is meant for: https://www.rfc-editor.org/rfc/rfc9112#section-3.2."""

import ipaddress
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

_ABSOLUTE: Final = re.compile(r"https?://([^/?#]*)([^?#]*)", re.IGNORECASE)
_AUTHORITY: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\[\]:@/?#\s]*))(?::[0-9]*)?")


class Target(NamedTuple):
    """The path that is asked for, and the host that is asked, without its port; None where no host is named."""

    path: str
    host: str | None


def parse_target(target: str, hosts: Sequence[str], *, must_name: bool) -> Target | None:
    """What a request line's target and the values of its Host fields say; None for what no client may send.

    A target in absolute form (`http://host/path`, section 3.2.2) names the host itself, and Host is not heeded.
    `must_name`: a request of HTTP/1.1 has exactly one Host field.
    """
    if len(hosts) > 1 or (must_name and not hosts):
        return None
    absolute = _ABSOLUTE.match(target)
    path = (absolute[2] or "/") if absolute else target.partition("?")[0]
    if not absolute and not hosts:
        return Target(path, None)
    named = _AUTHORITY.fullmatch(absolute[1] if absolute else hosts[0].strip())
    return Target(path, (named[1] or named[2]).lower()) if named else None


def is_loopback(host: str) -> bool:
    """Whether that name or address is this machine for whoever asks, whatever a name server says."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
