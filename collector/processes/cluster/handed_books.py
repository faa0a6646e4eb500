"""Books that only come to whoever subscribes again: the writer asks for them on the storage host, and edges have the connections.

The storage host hands the requests on, newest first; each edge puts those of the symbols that it records where its ingest
looks (`processes/ingest/fresh_books.py`). What gets lost on the way costs no message: the book comes with the next connection.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from collector.domain.errors import NewerDataError, UndecodableError
from collector.domain.records import StreamKey
from collector.domain.repair_protocol import BookRequest
from collector.folders import matching
from collector.storage.request_files import (
    BOOKS_SUFFIX,
    SUFFIX,
    RequestFolder,
    aside_folder,
    read_request,
    request_folder,
    set_aside,
)

MOST: Final = 500
"""So many requests of a feed are handed on at a time, each for another stream; of more the oldest are left out."""

SHOWN_SECS: Final = 60.0
"""For so long edges may find a request; one that begins to look later is not to ask for what others have asked for."""

_decode: Final = msgspec.json.Decoder(list[BookRequest]).decode


class BooksToAsk:
    """On the storage host: the requests of one feed. The caller puts what `newest` gives, and calls `handed_on` then."""

    def __init__(self, data_dir: Path, feed: str) -> None:
        self._folder = request_folder(data_dir, f"{feed}{BOOKS_SUFFIX}")
        self._aside = aside_folder(data_dir)
        self._newest: dict[StreamKey, tuple[float, BookRequest]] = {}
        """With the monotonic time at which each was found."""
        self._files: list[Path] = []

    def newest(self, now: float) -> bytes | None:
        """The requests of the last minute as the value of a key; None if they are the same as before. Raises OSError."""
        self._files = list(matching(self._folder, f"*{SUFFIX}"))
        found = sorted(self._requests(), key=lambda request: request.asked_us)
        recent = {key: (at, request) for key, (at, request) in self._newest.items() if now - at < SHOWN_SECS}
        is_same = len(recent) == len(self._newest) and not found
        for request in found:
            recent.pop(request.stream, None)
            recent[request.stream] = now, request
        self._newest = dict(list(recent.items())[-MOST:])
        return None if is_same else msgspec.json.encode([request for _, request in self._newest.values()])

    def handed_on(self) -> None:
        """The servers have them. Raises OSError."""
        for path in self._files:
            path.unlink(missing_ok=True)

    def _requests(self) -> Iterator[BookRequest]:
        for path in self._files:
            try:
                request = read_request(path)
            except FileNotFoundError:
                continue
            except (UndecodableError, NewerDataError):
                set_aside(path, self._aside)
                continue
            if isinstance(request, BookRequest):
                yield request


class BooksAsked:
    """On an edge: the requests of one feed, as its ingest gets them."""

    def __init__(self, data_dir: Path, feed: str, is_recorded: Callable[[str], bool]) -> None:
        """`is_recorded` says whether this edge records a symbol."""
        self._folder = RequestFolder(request_folder(data_dir, f"{feed}{BOOKS_SUFFIX}"))
        self._is_recorded = is_recorded
        self._seen: Collection[str] = frozenset()
        self._value = b""

    def take(self, value: bytes) -> None:
        """Put those that are new; a value that cannot be read asks for nothing. Raises OSError; then call again."""
        if value == self._value:
            return
        try:
            requests: Mapping[str, BookRequest] = {request.name: request for request in _decode(value)}
        except (msgspec.MsgspecError, UnicodeDecodeError):
            requests = {}
        new = [request for name, request in requests.items() if name not in self._seen]
        own = [request for request in new if self._is_recorded(request.stream.symbol)]
        if own:
            self._folder.put(own)
        self._seen, self._value = frozenset(requests), value
