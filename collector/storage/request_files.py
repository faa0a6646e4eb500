"""Requests to repair, one small file each: the writer and ingest put them, repair removes them once their answer is durable.

They wait in `repair/<feed>/`, in the folder of the feed that records their stream now. Requests that no feed can ask for
are kept in `repair/~aside/`, for a person to look at.
"""

import errno
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG
from typing import Final

from collector.domain.disk_waits import each_awaited
from collector.domain.errors import UndecodableError
from collector.domain.repair_protocol import BookRequest, Request, decode_request, encode_request
from collector.folders import matching
from collector.storage.durable import sync
from collector.storage.ordered_map import in_order

SUFFIX: Final = ".request"

ASIDE: Final = "~aside"
"""Feed names have no `~`."""

BOOKS_SUFFIX: Final = "~books"
"""Suffix of the folder of a feed's requests for books that its connections get by subscribing again: repair leaves it alone."""

KEPT_ASIDE: Final = 256
"""Most requests kept aside; of more only the log tells."""

_SYNC_THREADS: Final = 8
"""File systems batch fsyncs that are called at the same time."""

_UNREADABLE: Final = frozenset({errno.EIO, errno.EACCES, errno.EPERM, errno.EISDIR})
"""Errors that concern one file, not the whole disk."""


class RequestFolder:
    """Where the writer or ingest puts the requests of one feed. A request put again under the same name begins anew."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._placed: set[str] = set()

    def put(self, requests: Collection[Request], on_progress: Callable[[], None] = lambda: None) -> None:
        """Write requests durably, each whole or not at all. Raises OSError; the caller then repeats the call.

        `on_progress` is called between requests: after an outage there may be thousands at once.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        wanted = {request.name: request for request in requests if request.name not in self._placed}
        for name, request in wanted.items():
            on_progress()
            self._draft(name).write_bytes(encode_request(request))
        # A book request needs no sync: if a power cut loses it, the chain is broken then and the book is asked for again.
        books = [name for name, request in wanted.items() if isinstance(request, BookRequest)]
        for name in books:
            self._place(name)
        trades = [name for name in wanted if name not in set(books)]
        for name in each_awaited(in_order(self._made_durable, trades, _SYNC_THREADS)):
            on_progress()
            self._place(name)
        if trades:
            sync(self._folder)
        self._placed.clear()

    def withdraw(self, names: Iterable[str]) -> None:
        """Remove requests that are not answered yet. Raises OSError; the caller then repeats the call."""
        for name in names:
            (self._folder / f"{name}{SUFFIX}").unlink(missing_ok=True)

    def names(self) -> Iterator[str]:
        """Names of the waiting requests that can be read. Raises OSError."""
        for path in matching(self._folder, f"*{SUFFIX}"):
            with suppress(FileNotFoundError, UndecodableError):
                yield read_request(path).name

    def _made_durable(self, name: str) -> str:
        sync(self._draft(name))
        return name

    def _place(self, name: str) -> None:
        self._draft(name).replace(self._folder / f"{name}{SUFFIX}")
        self._placed.add(name)

    def _draft(self, name: str) -> Path:
        return self._folder / f"{name}.new"


def read_request(path: Path) -> Request:
    """Read a request. Raises UndecodableError, also for a request under another name; NewerDataError, OSError."""
    try:
        if not S_ISREG(path.stat().st_mode):
            raise UndecodableError("is not a regular file")
        request = decode_request(path.read_bytes(), path)
    except OSError as error:
        if error.errno in _UNREADABLE:
            raise UndecodableError(f"cannot be read: {error.strerror}") from error
        raise
    if request.name != path.stem:
        raise UndecodableError(f"holds {request.name}")
    return request


def set_aside(path: Path, aside: Path) -> None:
    """Move a request that no feed can ask for to `aside`, or remove it if that is full; a folder is never removed.

    Raises OSError.
    """
    with suppress(OSError):
        aside.mkdir(exist_ok=True)
        if sum(1 for _ in aside.iterdir()) < KEPT_ASIDE:
            path.replace(aside / path.name)
    if not path.is_dir():
        path.unlink(missing_ok=True)


def request_folder(data_dir: Path, feed: str) -> Path:
    """The folder of a feed's requests."""
    return data_dir / "repair" / feed


def aside_folder(data_dir: Path) -> Path:
    """The folder of requests that no feed can ask for."""
    return data_dir / "repair" / ASIDE
