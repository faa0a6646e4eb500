"""Repair's side of the requests: what waits for a feed, and what belongs to another or to nobody."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from collector.config import FeedConfig
from collector.domain.errors import UndecodableError
from collector.domain.records import StreamKey
from collector.domain.repair_protocol import BOOK, BookRequest, Request
from collector.exchanges.rest_adapter import RestAdapter
from collector.storage.durable import sync
from collector.storage.repair_requests import ASIDE, SUFFIX, aside_folder, read_request, request_folder, set_aside

_File = tuple[int, int]
"""What tells one put of a request from another: the file's number, and when it was written."""


class Misfit(NamedTuple):
    """A request that was set aside, and why."""

    name: str
    reason: str


class Look(NamedTuple):
    """What a look at the requests found."""

    waiting: list[Request]
    put_again: list[str]
    """Names of those put again since the last look: what is known of them concerns the ones before."""
    unreadable: list[Misfit]
    misfits: list[Misfit]


class RepairInbox:
    """The requests of one feed, as files that others put: none is trusted to be what it should be."""

    def __init__(self, folder: Path, aside: Path, misfit: Callable[[Request], str | None]) -> None:
        """`misfit` says why a request cannot be asked here, if so."""
        self._folder = folder
        self._aside = aside
        self._misfit = misfit
        self._known: dict[str, tuple[_File, Request]] = {}

    def look(self) -> Look:
        """Every request there is. What cannot be asked is set aside, each told once. Raises OSError."""
        files = {path.stem: _file_at(path) for path in self._folder.glob(f"*{SUFFIX}")}
        for name in self._known.keys() - files.keys():
            del self._known[name]
        found = Look([], [], [], [])
        for name, file in files.items():
            known = self._known.get(name)
            if file is None or (known is not None and known[0] == file):
                continue
            if self._is_taken(name, file, found) and known is not None:
                found.put_again.append(name)
        found.waiting.extend(request for _, request in self._known.values())
        return found

    def remove(self, request: Request) -> None:
        """Forget a request, but not one put again since the last look. Raises OSError.

        One that a power cut brings back brings only copies.
        """
        path = self._path(request.name)
        known = self._known.pop(request.name, None)
        if known is None or known[0] == _file_at(path):
            path.unlink(missing_ok=True)

    def _is_taken(self, name: str, file: _File, found: Look) -> bool:
        path = self._path(name)
        self._known.pop(name, None)
        try:
            request = read_request(path)
        except FileNotFoundError:
            return False
        except UndecodableError as error:
            found.unreadable.append(Misfit(path.name, str(error)))
            set_aside(path, self._aside)
            return False
        reason = self._misfit(request)
        if reason is not None:
            found.misfits.append(Misfit(path.name, reason))
            set_aside(path, self._aside)
            return False
        self._known[name] = file, request
        return True

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}{SUFFIX}"


def _file_at(path: Path) -> _File | None:
    """None where there is none."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_ino, stat.st_mtime_ns


class Claimed(NamedTuple):
    """What became of the requests that were there at a start."""

    unclaimed: dict[str, int]
    """How many wait where nobody asks, by the folder they are in."""
    misfits: list[Misfit]


def claim(data_dir: Path, feed_of: Mapping[StreamKey, str], mended: Collection[str]) -> Claimed:
    """Give each request to the feed that brings its stream now, whatever that was called before.

    Of a feed that is not mended it stays; one whose stream nobody brings is set aside. Killed meanwhile, it may be done
    again. Raises OSError.
    """
    left: Counter[str] = Counter()
    misfits: list[Misfit] = []
    entered: set[Path] = set()
    for path in sorted((data_dir / "repair").glob(f"*/*{SUFFIX}")):
        place = path.parent.name
        if place == ASIDE:
            continue
        try:
            stream = read_request(path).stream
        except FileNotFoundError:
            continue
        except UndecodableError as error:
            reason = str(error)
        else:
            feed = feed_of.get(stream)
            if feed is not None and feed not in mended:
                left[place] += 1
                continue
            if feed is not None:
                entered |= _moved(path, request_folder(data_dir, feed))
                continue
            reason = f"no feed brings {' '.join(stream)}"
        misfits.append(Misfit(path.name, reason))
        set_aside(path, aside_folder(data_dir))
    for folder in entered:
        sync(folder)
    return Claimed(dict(left), misfits)


def _moved(path: Path, folder: Path) -> set[Path]:
    """The folder, if the file was not there yet."""
    if path.parent == folder:
        return set()
    folder.mkdir(parents=True, exist_ok=True)
    path.replace(folder / path.name)
    return {folder}


def misfit_of(feed: FeedConfig, side: RestAdapter) -> Callable[[Request], str | None]:
    """Says why a request cannot be asked for that feed, if so: a file may be of another time, or of another's making."""
    brought = frozenset(feed.streams)

    def misfit(request: Request) -> str | None:
        stream = request.stream
        if stream not in brought:
            return f"{feed.name} does not bring {' '.join(stream)}"
        if isinstance(request, BookRequest):
            can_be_had = stream.data_type == BOOK
        else:
            can_be_had = side.page(stream, request.first) is not None
        return None if can_be_had else f"{stream.exchange} does not give it for {stream.data_type}"

    return misfit
