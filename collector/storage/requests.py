"""Requests to repair, one small file each: the writer puts them, repair removes them once their answer is safe."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from collector.domain.errors import UndecodableError
from collector.domain.records import UNKNOWN, StreamKey
from collector.domain.repairs import Request, TradesRequest, decode_request, encode_request
from collector.storage.durable import sync

_SUFFIX: Final = ".request"


class RequestFolder:
    """The requests of one feed. A name stands for one content, so a file is written again and read once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, Request] = {}

    def put(self, requests: Iterable[Request]) -> None:
        """Keep requests, each whole or not at all, before or after. Raises OSError; then the call may be repeated."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for request in requests:
            path = self._path(request.name)
            draft = path.with_suffix(".new")
            draft.write_bytes(encode_request(request))
            if isinstance(request, TradesRequest):
                # A book asked for needs no more: after a power cut its chain is broken, and it is asked for again.
                sync(draft)
            draft.replace(path)
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
