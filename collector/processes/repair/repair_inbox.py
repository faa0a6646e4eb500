"""The request files as repair reads them: those of each feed, and at a start those of renamed or removed feeds."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from collector.config import FeedConfig
from collector.domain.errors import UndecodableError
from collector.domain.records import StreamKey
from collector.domain.repair_protocol import BOOK, BookRequest, Request
from collector.exchanges.rest_adapter import RestAdapter
from collector.folders import matching
from collector.processes.rest_adapters import hole_of
from collector.storage.durable import sync
from collector.storage.request_files import (
    ASIDE,
    BOOKS_SUFFIX,
    SUFFIX,
    aside_folder,
    read_request,
    request_folder,
    set_aside,
)

_FileVersion = tuple[int, int]
"""Inode and modification time: they change when a request is put again."""


class SetAside(NamedTuple):
    """A request file that was set aside, and why."""

    name: str
    reason: str


class InboxContent(NamedTuple):
    """What one read of the inbox found."""

    waiting: list[Request]
    renewed: list[str]
    """Names of requests that were put again since the last read: their tries and progress no longer count."""
    unreadable: list[SetAside]
    misfits: list[SetAside]


class RepairInbox:
    """The request files of one feed. The writer puts them, and nothing about their content is trusted."""

    def __init__(self, folder: Path, aside: Path, misfit: Callable[[Request], str | None]) -> None:
        """`misfit` returns why this feed cannot ask for a request, or None; see `misfit_of`."""
        self._folder = folder
        self._aside = aside
        self._misfit = misfit
        self._known: dict[str, tuple[_FileVersion, Request]] = {}

    def read(self) -> InboxContent:
        """Read all requests. Those that cannot be asked for are set aside and reported once. Raises OSError."""
        files = {path.stem: _version_of(path) for path in matching(self._folder, f"*{SUFFIX}")}
        for name in self._known.keys() - files.keys():
            del self._known[name]
        found = InboxContent([], [], [], [])
        for name, file in files.items():
            known = self._known.get(name)
            if file is None or (known is not None and known[0] == file):
                continue
            if self._accept(name, file, found) and known is not None:
                found.renewed.append(name)
        found.waiting.extend(request for _, request in self._known.values())
        return found

    def remove(self, request: Request) -> None:
        """Remove a request, unless it was put again since the last read. Raises OSError.

        A power cut may bring the file back; asking again then brings only duplicates.
        """
        path = self._path(request.name)
        known = self._known.pop(request.name, None)
        if known is None or known[0] == _version_of(path):
            path.unlink(missing_ok=True)

    def _accept(self, name: str, file: _FileVersion, found: InboxContent) -> bool:
        path = self._path(name)
        self._known.pop(name, None)
        try:
            request = read_request(path)
        except FileNotFoundError:
            return False
        except UndecodableError as error:
            found.unreadable.append(SetAside(path.name, str(error)))
            set_aside(path, self._aside)
            return False
        reason = self._misfit(request)
        if reason is not None:
            found.misfits.append(SetAside(path.name, reason))
            set_aside(path, self._aside)
            return False
        self._known[name] = file, request
        return True

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}{SUFFIX}"


def _version_of(path: Path) -> _FileVersion | None:
    """None if there is no such file."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_ino, stat.st_mtime_ns


class Claimed(NamedTuple):
    """What was done with the requests that were there at a start."""

    unclaimed: dict[str, int]
    """How many wait for feeds that are not repaired, by folder."""
    misfits: list[SetAside]


def claim(data_dir: Path, feed_of: Mapping[StreamKey, str], repaired_feeds: Collection[str]) -> Claimed:
    """Move each request to the folder of the feed that brings its stream now: feeds may have been renamed.

    Requests that are not for repair (`BOOKS_SUFFIX`) are left alone. A request of a feed that is not among `repaired_feeds` stays where it is; one whose stream no feed brings is set aside.
    Safe to repeat after a kill. Raises OSError.
    """
    unclaimed: Counter[str] = Counter()
    misfits: list[SetAside] = []
    changed_folders: set[Path] = set()
    for path in sorted((data_dir / "repair").glob(f"*/*{SUFFIX}")):
        folder_name = path.parent.name
        if folder_name == ASIDE or folder_name.endswith(BOOKS_SUFFIX):
            continue
        try:
            stream = read_request(path).stream
        except FileNotFoundError:
            continue
        except UndecodableError as error:
            reason = str(error)
        else:
            feed = feed_of.get(stream)
            if feed is not None and feed not in repaired_feeds:
                unclaimed[folder_name] += 1
                continue
            if feed is not None:
                changed_folders |= _move(path, request_folder(data_dir, feed))
                continue
            reason = f"no feed brings {' '.join(stream)}"
        misfits.append(SetAside(path.name, reason))
        set_aside(path, aside_folder(data_dir))
    for folder in changed_folders:
        sync(folder)
    return Claimed(dict(unclaimed), misfits)


def _move(path: Path, folder: Path) -> set[Path]:
    """The changed folder, unless the file was there before."""
    if path.parent == folder:
        return set()
    folder.mkdir(parents=True, exist_ok=True)
    path.replace(folder / path.name)
    return {folder}


def misfit_of(feed: FeedConfig, rest: RestAdapter) -> Callable[[Request], str | None]:
    """A function that says why that feed cannot ask for a request, or None: files may be old, or not from the writer."""

    def misfit(request: Request) -> str | None:
        stream = request.stream
        if not feed.may_bring(stream):
            return f"{feed.name} does not bring {' '.join(stream)}"
        if isinstance(request, BookRequest):
            can_be_had = stream.data_type == BOOK and rest.snapshot(stream.symbol) is not None
        else:
            can_be_had = rest.page(stream, hole_of(request), "") is not None
        return None if can_be_had else f"{stream.exchange} does not give it for {stream.data_type}"

    return misfit
