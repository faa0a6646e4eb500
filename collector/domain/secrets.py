"""What must not be shown: which values of the environment are secret, in which forms they appear, and when one is unfit."""

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
"""A store's keys."""

_PROXIES: Final = frozenset({"all_proxy", "http_proxy", "https_proxy"})

_SHORTEST: Final = 4
"""A shorter one cannot be told from other text, and guards nothing."""

_SHORTEST_KEY_ID: Final = 16
"""Amazon's shortest; a server of one's own may call it "admin", which is a word, and no secret.
https://docs.aws.amazon.com/IAM/latest/APIReference/API_AccessKey.html"""


def secrets_in(environment: Mapping[str, str]) -> Iterator[str]:
    """Every secret there."""
    for name, value in environment.items():
        if name in _SECRETS:
            yield value
        elif name in _KEY_IDS:
            yield from of_key_id(value)
        elif name.lower() in _PROXIES:
            yield from _of_proxy(value)


def of_key_id(key_id: str) -> Iterator[str]:
    """The id, if it looks like one."""
    if len(key_id.strip()) >= _SHORTEST_KEY_ID:
        yield key_id


def forms_of(secret: str) -> set[str]:
    """The ways in which a secret may stand in a text; none for what is too short to be looked for."""
    # A text may show a value that was broken into lines line by line.
    plain = {text for text in (secret, secret.strip(), *secret.splitlines()) if len(text.strip()) >= _SHORTEST}
    written = {
        change(text) for text in plain for change in (quote, _quote_all, quote_plus, _as_json, _as_python, _as_base64)
    }
    return plain | written


def unfit(secret: str) -> str:
    """What no key has that is sent in a header, in words; nothing if it may be one."""
    if not secret.isascii() or not secret.isprintable():
        return "holds a line break, or another character that no key has"
    if is_quoted(secret):
        return "stands in quotes, which an env file keeps"
    return "begins or ends with a space" if secret.strip() != secret else ""


def unfit_keys(environment: Mapping[str, str]) -> Iterator[str]:
    """What is wrong with a store's keys there, a line each."""
    for name in _STORE_KEYS:
        if fault := unfit(environment.get(name, "")):
            yield f"{name}: {fault}"


def hidden(text: str, forms: Iterable[str], instead: str) -> str:
    """The text with `instead` in the place of each of these, the longest first: some hold others."""
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
