"""Makes text safe to show: without secrets, and without characters that control a terminal."""

import re
from typing import Final
from urllib.parse import urlsplit

HIDDEN: Final = "***"

# The bound on the scheme's length keeps the search linear on long runs of letters.
_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,20}://[^\s\"'<>]+")

_SIGNATURE: Final = re.compile(r"AWS4-HMAC-SHA256[^\r\n'\"]*")
_HEADER: Final = re.compile(r"(?i)\b(authorization|x-amz-security-token)(b?['\"]?\s*[:=,]\s*b?['\"]?)[^\r\n'\"]+")


def redact_url(url: str) -> str:
    """Return `url` without user, password, query values and fragment. A URL that cannot be parsed keeps only its scheme."""
    if "://" not in url:
        url = url.rpartition("@")[2]
    try:
        parts = urlsplit(url)
        # Reading the port detects a "/" inside a password: in "s3://key:se/cret@bucket" the port would be "se".
        _ = parts.port
    except ValueError:
        return f"{url.partition('://')[0]}://{HIDDEN}" if "://" in url else HIDDEN
    host = parts.netloc.rpartition("@")[2]
    query = "&".join(_without_value(field) for field in parts.query.split("&")) if parts.query else ""
    return parts._replace(netloc=host, query=query, fragment="").geturl()


def _without_value(field: str) -> str:
    name, equals, _ = field.partition("=")
    return f"{name}={HIDDEN}" if equals else HIDDEN


def redact_urls(text: str) -> str:
    """Return `text` with every URL in it redacted."""
    return _URL.sub(lambda found: redact_url(found[0]), text) if "://" in text else text


def redact_headers(text: str) -> str:
    """Return `text` without the values of headers that authenticate a request, also where a library quotes them."""
    if "uthorization" not in text.lower() and "security-token" not in text.lower() and "AWS4" not in text:
        return text
    return _HEADER.sub(rf"\1\2{HIDDEN}", _SIGNATURE.sub(f"AWS4-HMAC-SHA256 {HIDDEN}", text))


def printable(text: str) -> str:
    r"""Return `text` with every character that is not printable (`str.isprintable`) written as an escape such as `\x1b`."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
