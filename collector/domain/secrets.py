"""Which values of the environment are secret, in which forms they appear in text, and which cannot be used as keys."""

import json
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from urllib.parse import quote, quote_plus, unquote, urlsplit

from collector.domain.quotes import is_quoted

_SECRETS: Final = frozenset(
    {
        "AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_SECURITY_TOKEN",
        "AWS_SESSION_TOKEN", "COLLECTOR_HTTP__PING_URL", "COLLECTOR_HTTP__TOKEN",
    }
)  # fmt: skip
_KEY_IDS: Final = frozenset({"AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID"})
_STORE_KEYS: Final = (
    "AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
)  # fmt: skip
"""The keys of a store; they are sent in headers."""

_PROXIES: Final = frozenset({"all_proxy", "http_proxy", "https_proxy"})

_SHORTEST: Final = 4
"""A shorter secret cannot be told from other text, and protects nothing."""

_SHORTEST_KEY_ID: Final = 16
"""Amazon's shortest key id. A self-hosted server may use "admin", which is a word and not a secret.
https://docs.aws.amazon.com/IAM/latest/APIReference/API_AccessKey.html"""


def secrets_in(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield every secret in the environment."""
    for name, value in environment.items():
        if name in _SECRETS:
            yield value
        elif name in _KEY_IDS:
            yield from of_key_id(value)
        elif name.lower() in _PROXIES:
            yield from _of_proxy(value)


def of_key_id(key_id: str) -> Iterator[str]:
    """Yield the key id if it is long enough to be one."""
    if len(key_id.strip()) >= _SHORTEST_KEY_ID:
        yield key_id


def forms_of(secret: str) -> set[str]:
    """All forms in which a secret may appear in a text; none if it is too short to be searched for."""
    # A text may show a value with line breaks line by line.
    plain = {text for text in (secret, secret.strip(), *secret.splitlines()) if len(text.strip()) >= _SHORTEST}
    written = {
        change(text) for text in plain for change in (quote, _quote_all, quote_plus, _as_json, _as_python, _as_base64)
    }
    return plain | written


def unfit(secret: str) -> str:
    """Why `secret` cannot be a key that is sent in a header; an empty text if it can."""
    if not secret.isascii() or not secret.isprintable():
        return "holds a line break, or another character that no key has"
    if is_quoted(secret):
        return "stands in quotes, which an env file keeps"
    return "begins or ends with a space" if secret.strip() != secret else ""


def unfit_keys(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each key of a store in the environment that cannot be used: its name and why."""
    for name in _STORE_KEYS:
        if fault := unfit(environment.get(name, "")):
            yield f"{name}: {fault}"


def hidden(text: str, forms: Iterable[str], instead: str) -> str:
    """Replace each of `forms` in the text by `instead`, the longest first, because some contain others."""
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, instead)
    return text


def _of_proxy(url: str) -> Iterator[str]:
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        password = parts.password or ""
    except ValueError:
        return
    if password:
        yield from (password, unquote(password), f"{unquote(parts.username or '')}:{unquote(password)}")


def _quote_all(text: str) -> str:
    return quote(text, safe="")


def _as_json(text: str) -> str:
    return json.dumps(text)[1:-1]


def _as_python(text: str) -> str:
    return repr(text)[1:-1]


def _as_base64(text: str) -> str:
    return b64encode(text.encode("utf-8", "surrogateescape")).decode()
