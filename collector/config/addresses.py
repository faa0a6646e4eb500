"""Types of addresses: exchange servers, the archive, this machine. None may contain a password or key.

Each check is a pure function that returns the normalized address, or raises ValueError with a reason that does not quote
the address, which may contain a secret.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import unquote, urlsplit

from collector.config.rules import After, Allowed
from collector.config.values import Secret, same_for_all, word

_BUCKET: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")
DAILY_SUFFIX: Final = "-daily"
"""Behind an archive's address: that of its day files."""

TABLES_SUFFIX: Final = "-tables"
"""Behind an archive's address: that of its tables' metadata."""

_REGION: Final = re.compile(r"[A-Za-z0-9_-]{0,64}")


def _server(*schemes: str) -> Callable[[str], str]:
    beginnings = tuple(f"{scheme}://" for scheme in schemes)

    def check(url: str) -> str:
        if not url:
            return url
        if not word(url).startswith(beginnings):
            raise ValueError("has the wrong scheme")
        if not {"@", "?", "#"}.isdisjoint(url):
            raise ValueError("contains a user, password, query or fragment")
        if not _has_host(url):
            raise ValueError("has no valid host or port")
        return url.rstrip("/")

    return check


def _given(check: Callable[[str], str]) -> Callable[[str], str]:
    def given(url: str) -> str:
        if not url:
            raise ValueError("is empty")
        return check(url)

    return given


def _has_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.hostname is not None and _can_be_looked_up(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _can_be_looked_up(host: str) -> bool:
    """Whether DNS can carry the name: labels of 1 to 63 characters."""
    try:
        return bool(host.encode("idna"))
    except UnicodeError:
        return False


def archive_url(url: str) -> str:
    """Normalize the address of an archive. Raises ValueError with the reason."""
    if not url:
        return url
    scheme, mark, rest = url.partition("://")
    if not mark or scheme not in {"file", "s3"}:
        raise ValueError("does not begin with file:/// or s3://")
    if not {"?", "#"}.isdisjoint(rest) or not rest.isprintable():
        raise ValueError("contains a query, a fragment or a control character")
    return _file_url(rest) if scheme == "file" else _s3_url(rest)


def catalog_url(url: str) -> str:
    """Normalize the address of a catalog of tables. Raises ValueError with the reason."""
    if url.startswith("sqlite://"):
        path = url.removeprefix("sqlite:///")
        if not path.startswith("/") or path.endswith("/") or not path.isprintable() or not {"?", "#"}.isdisjoint(path):
            raise ValueError("names no file")
        return url
    return (
        f"rest+{_server('http', 'https')(url.removeprefix('rest+'))}" if url.startswith("rest+") else _no_catalog(url)
    )


def _no_catalog(url: str) -> str:
    if url:
        raise ValueError("does not begin with sqlite:////, rest+https:// or rest+http://")
    return url


def beside(url: str, suffix: str) -> str:
    """The address of a tree beside an archive; empty where the archive is a whole bucket."""
    scheme, _, rest = url.partition("://")
    return "" if scheme == "s3" and "/" not in rest else f"{resolved(url)}{suffix}"


def daily_of(url: str) -> str:
    """Where the day files of an archive are unless a configuration says otherwise; empty where the archive is a whole bucket."""
    return beside(url, DAILY_SUFFIX)


def archive_of(daily_url: str) -> str:
    """The archive whose day files are there by default; empty if there is none."""
    url = resolved(daily_url)
    archive = url.removesuffix(DAILY_SUFFIX)
    return archive if daily_of(archive) == url else ""


def resolved(url: str) -> str:
    """One spelling of an archive's address: that of a folder without `..` and symbolic links. Nothing has to be there."""
    if not url.startswith("file:///"):
        return url.rstrip("/")
    return Path(os.path.realpath(unquote(url.removeprefix("file://")))).as_uri()


def lie_in_one_another(one: str, other: str) -> bool:
    """Whether two archives are the same, or one lies in the other."""
    inner, outer = sorted((f"{resolved(one)}/", f"{resolved(other)}/"), key=len, reverse=True)
    return inner.startswith(outer)


def daily_problem(archive: str, daily: str) -> str:
    """Why an archive cannot have its day files there, as one line; empty if it can."""
    if not daily or not lie_in_one_another(archive, daily):
        return ""
    return f"archive.daily_url: {daily} must lie beside the archive ({archive}): readers of one tree would find both"


def tables_problem(archive: str, warehouse: str, catalog: str) -> str:
    """Why the tables of an archive cannot stand there, as one line; empty if they can."""
    if not warehouse:
        is_lost = catalog.startswith("sqlite:")
        return f"table.warehouse: needed beside {archive}, which is a whole bucket: name another" if is_lost else ""
    for name, url in {"archive.url": archive, "table.warehouse": warehouse}.items():
        if url.startswith("file://") and not {"#", "?"}.isdisjoint(unquote(resolved(url))):
            return f"{name}: {url} has # or ? in its path, which readers of tables take for the end of it: name another folder"
    if lie_in_one_another(archive, warehouse):
        return f"table.warehouse: {warehouse} must lie beside the archive ({archive})"
    return ""


def _file_url(rest: str) -> str:
    if not rest.startswith("/"):
        raise ValueError("needs three slashes before the folder")
    try:
        path = unquote(rest, errors="strict").strip("/")
    except UnicodeDecodeError:
        path = ""
    if not path or not path.isprintable():
        raise ValueError("names no folder")
    return same_for_all(Path(f"/{path}")).as_uri()


def _s3_url(rest: str) -> str:
    bucket, _, prefix = rest.removesuffix("/").partition("/")
    if not bucket:
        raise ValueError("names no bucket")
    if not _BUCKET.fullmatch(bucket):
        raise ValueError("has a bucket name with characters other than A-Z a-z 0-9 . _ -")
    if prefix and not {"", ".", ".."}.isdisjoint(prefix.split("/")):
        raise ValueError('has an empty part, "." or ".." in its prefix')
    return f"s3://{bucket}/{prefix}".removesuffix("/")


def _region(text: str) -> str:
    if not _REGION.fullmatch(text):
        raise ValueError("is not a region name")
    return text


def _host(text: str) -> str:
    if not text:
        raise ValueError("is empty")
    if not _can_be_looked_up(word(text)):
        raise ValueError("has an empty label or one longer than 63 characters")
    return text


def _ping_url(secret: Secret) -> Secret:
    url = secret.value
    if url:
        if not word(url).startswith(("http://", "https://")):
            raise ValueError("has the wrong scheme")
        if not {"@", "#"}.isdisjoint(url):
            raise ValueError("contains a user, password or fragment")
        if not url.isascii() or not _has_host(url):
            raise ValueError("has no valid host or port")
    return secret


_BARE: Final = 'without user, password, query or fragment, or ""'

WsUrl = Annotated[str, After(_server("ws", "wss")), Allowed(f"wss://host[:port][/prefix] (or ws://) {_BARE}")]
HttpUrl = Annotated[
    str,
    After(_server("http", "https")),
    Allowed(f"https://host[:port][/prefix] (or http://) {_BARE}"),
]
NatsUrl = Annotated[
    str,
    After(_given(_server("nats", "tls"))),
    Allowed("nats://host[:port] or tls://host[:port] without user, password, query or fragment"),
]
CatalogUrl = Annotated[
    str,
    After(catalog_url),
    Allowed(f"sqlite:////folder/file or rest+https://host[:port][/prefix] (or rest+http://) {_BARE}"),
]
ArchiveUrl = Annotated[str, After(archive_url), Allowed('file:///folder or s3://bucket[/prefix], or ""')]
Region = Annotated[str, After(_region), Allowed('a region name like eu-central-1, or ""')]
PingUrl = Annotated[
    Secret,
    After(_ping_url),
    Allowed('https://host[:port]/path[?query] (or http://) without user, password or fragment, or ""'),
]
Host = Annotated[str, After(_host), Allowed("the host name or address of this machine")]
