"""Requests to repair, one small file each: the writer puts them, repair removes them once their answer is safe."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Final

from collector.domain.errors import UndecodableError
from collector.domain.records import UNKNOWN, StreamKey
from collector.domain.repairs import BookRequest, Request, decode_request, encode_request
from collector.storage.durable import sync
from collector.storage.parallel import in_order

_SUFFIX: Final = ".request"

_SYNC_THREADS: Final = 8
"""The file system makes durable in one go what is asked for at the same time."""


_File = tuple[int, int]
"""What tells one put of a request from another: the file's number, and when it was written."""


class RequestFolder:
    """The requests of one feed. A name stands for one need; put again, it is a request that begins anew."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, tuple[_File, Request]] = {}
        self._placed: set[str] = set()

    def put(self, requests: Collection[Request], on_progress: Callable[[], None] = lambda: None) -> None:
        """Keep requests, each whole or not at all, before or after. Raises OSError; then the call is to be repeated.

        `on_progress` is called between many: after an outage thousands may come due at once.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        wanted = {request.name: request for request in requests if request.name not in self._placed}
        for name, request in wanted.items():
            on_progress()
            self._draft(name).write_bytes(encode_request(request))
        # A book asked for needs no sync: after a power cut its chain is broken, and it is asked for again.
        books = [name for name, request in wanted.items() if isinstance(request, BookRequest)]
        for name in books:
            self._place(name)
        for name in in_order(self._made_durable, [name for name in wanted if name not in set(books)], _SYNC_THREADS):
            on_progress()
            self._place(name)
        sync(self._folder)
        self._placed.clear()

    def waiting(
        self, on_damage: Callable[[str], None], on_put_again: Callable[[str], None] = lambda _name: None
    ) -> list[Request]:
        """Every request there is. One that cannot be read is removed, and told by name. Raises OSError.

        One that was put again since the last look is told by name, too: what is known of it concerns the one before.
        """
        files = self._files()
        for name in self._known.keys() - files.keys():
            del self._known[name]
        for name, file in files.items():
            known = self._known.get(name)
            if known is not None and known[0] == file:
                continue
            path = self._path(name)
            try:
                self._known[name] = file, decode_request(path.read_bytes())
            except UndecodableError:
                path.unlink(missing_ok=True)
                on_damage(path.name)
            else:
                if known is not None:
                    on_put_again(name)
        return [request for _, request in self._known.values()]

    def remove(self, request: Request) -> None:
        """Forget a request, but not one put again since the last look. Raises OSError.

        One that a power cut brings back brings only copies.
        """
        path = self._path(request.name)
        known = self._known.pop(request.name, None)
        if known is None or known[0] == _file_at(path):
            path.unlink(missing_ok=True)

    def _files(self) -> dict[str, _File]:
        found = ((path.stem, _file_at(path)) for path in self._folder.glob(f"*{_SUFFIX}"))
        return {name: file for name, file in found if file is not None}

    def _made_durable(self, name: str) -> str:
        sync(self._draft(name))
        return name

    def _place(self, name: str) -> None:
        self._draft(name).replace(self._path(name))
        self._placed.add(name)

    def _draft(self, name: str) -> Path:
        return self._folder / f"{name}.new"

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}{_SUFFIX}"


def _file_at(path: Path) -> _File | None:
    """None where there is none."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_ino, stat.st_mtime_ns


def claim(data_dir: Path, feed_of: Mapping[StreamKey, str]) -> dict[str, int]:
    """Give requests of feeds that are none of these to the feed that brings their stream.

    Returns how many are left over, by the feed they wait for. Killed meanwhile, it may be done again. Raises OSError.
    """
    feeds = set(feed_of.values())
    left: Counter[str] = Counter()
    for path in sorted((data_dir / "repair").glob(f"*/*{_SUFFIX}")):
        if path.parent.name in feeds:
            continue
        feed = feed_of.get(_stream_of(path))
        if feed is None:
            left[path.parent.name] += 1
            continue
        folder = request_folder(data_dir, feed)
        folder.mkdir(parents=True, exist_ok=True)
        path.replace(folder / path.name)
        sync(folder)
    return dict(left)


def _stream_of(path: Path) -> StreamKey:
    """The stream a request is of; one of nobody's where it cannot be read."""
    try:
        return decode_request(path.read_bytes()).stream
    except UndecodableError:
        return StreamKey(UNKNOWN, UNKNOWN, UNKNOWN)


def request_folder(data_dir: Path, feed: str) -> Path:
    """Where the requests of a feed wait."""
    return data_dir / "repair" / feed
