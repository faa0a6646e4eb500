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


class RequestFolder:
    """The requests of one feed. A name stands for one content, so a file is written again and read once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, Request] = {}

    def put(self, requests: Collection[Request], on_progress: Callable[[], None] = lambda: None) -> None:
        """Keep requests, each whole or not at all, before or after. Raises OSError; then the call may be repeated.

        `on_progress` is called between many: after an outage thousands may come due at once.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        contents = {self._path(request.name): encode_request(request) for request in requests}
        books = {self._path(request.name) for request in requests if isinstance(request, BookRequest)}
        drafts: list[Path] = []
        for path, content in contents.items():
            on_progress()
            if not _holds(path, content):
                _draft_of(path).write_bytes(content)
                drafts.append(path)
        # A book asked for needs no sync: after a power cut its chain is broken, and it is asked for again.
        for path in books.intersection(drafts):
            _draft_of(path).replace(path)
        for path in in_order(_made_durable, [path for path in drafts if path not in books], _SYNC_THREADS):
            on_progress()
            _draft_of(path).replace(path)
        sync(self._folder)

    def waiting(self, on_damage: Callable[[str], None]) -> list[Request]:
        """Every request there is. One that cannot be read is removed, and told by name. Raises OSError."""
        names = [path.stem for path in self._folder.glob(f"*{_SUFFIX}")]
        self._known = {name: self._known[name] for name in names if name in self._known}
        for name in names:
            if name in self._known:
                continue
            path = self._path(name)
            try:
                self._known[name] = decode_request(path.read_bytes())
            except UndecodableError:
                path.unlink(missing_ok=True)
                on_damage(path.name)
        return list(self._known.values())

    def remove(self, request: Request) -> None:
        """Forget a request; one that a power cut brings back brings only copies. Raises OSError."""
        self._path(request.name).unlink(missing_ok=True)
        self._known.pop(request.name, None)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}{_SUFFIX}"


def _draft_of(path: Path) -> Path:
    return path.with_suffix(".new")


def _made_durable(path: Path) -> Path:
    sync(_draft_of(path))
    return path


def _holds(path: Path, content: bytes) -> bool:
    """Whether the file is there, and no power cut left it without its content."""
    try:
        return path.read_bytes() == content
    except FileNotFoundError:
        return False


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
