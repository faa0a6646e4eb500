"""Which host and path a request is for: https://www.rfc-editor.org/rfc/rfc9112#section-3.2."""

import ipaddress
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

_ABSOLUTE: Final = re.compile(r"https?://([^/?#]*)([^?#]*)", re.IGNORECASE)
_AUTHORITY: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\[\]:@/?#\s]*))(?::[0-9]*)?")


class Target(NamedTuple):
    """The path of a request, and the host that it names, without port; None if it names none."""

    path: str
    host: str | None


def parse_target(target: str, hosts: Sequence[str], *, must_name: bool) -> Target | None:
    """Parse a request line's target and the values of its Host fields; None for what the RFC forbids to send.

    A target in absolute form (`http://host/path`, section 3.2.2) names the host itself; the Host field is ignored then.
    `must_name`: a request of HTTP/1.1 must have exactly one Host field.
    """
    if len(hosts) > 1 or (must_name and not hosts):
        return None
    absolute = _ABSOLUTE.match(target)
    path = (absolute[2] or "/") if absolute else target.partition("?")[0]
    if not absolute and not hosts:
        return Target(path, None)
    authority = _AUTHORITY.fullmatch(absolute[1] if absolute else hosts[0].strip())
    return Target(path, (authority[1] or authority[2]).lower()) if authority else None


def is_loopback(host: str) -> bool:
    """Whether that name or address always means this machine, whatever a name server says."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
