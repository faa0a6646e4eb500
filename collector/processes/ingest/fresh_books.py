"""Books that the writer wants anew, where an exchange sends them to whoever subscribes again.

The writer puts each request as a small file into `repair/<feed>~books/`; it is removed once it was sent to the exchange, or
once a connection opened after it was written: that began with the whole book.
"""

import threading
from collections.abc import Collection
from pathlib import Path
from typing import Final

from collector.domain.errors import NewerDataError, UndecodableError
from collector.domain.log import Log
from collector.domain.records import StreamKey
from collector.domain.repair_protocol import BookRequest
from collector.folders import matching
from collector.storage.request_files import SUFFIX, read_request, set_aside

FIRST_DELAY_SECS: Final = 5.0
"""Shortest time between two askings for the book of one stream; it doubles while requests keep coming."""

LONGEST_DELAY_SECS: Final = 3_600.0

QUIET_SECS: Final = 600.0
"""A request that comes so long after the delay was over is the first again."""


class AskingDelay:
    """When one stream may be asked for again. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._asked_at: float | None = None
        self._secs = 0.0

    def is_over(self, now: float) -> bool:
        """Whether it may be asked for now."""
        return self._asked_at is None or now - self._asked_at >= self._secs

    def note_asked(self, now: float) -> None:
        """It is asked for now."""
        is_first = self._asked_at is None or now - self._asked_at >= self._secs + QUIET_SECS
        self._secs = FIRST_DELAY_SECS if is_first else min(2 * self._secs, LONGEST_DELAY_SECS)
        self._asked_at = now


class FreshBooks:
    """The requests for books of one feed. The main thread calls `refresh`, first before any connection opens; readers take what their connection carries."""

    def __init__(self, folder: Path, aside: Path, log: Log) -> None:
        self._folder = folder
        self._aside = aside
        self._log = log
        self._lock = threading.Lock()
        self._wanted: dict[StreamKey, BookRequest] = {}
        """The newest request of each stream; one fresh book answers all older ones."""
        self._taken: set[StreamKey] = set()
        self._delays: dict[StreamKey, AskingDelay] = {}
        self._answered: set[str] = set()
        """Names of the files to remove."""
        self._has_begun = self._is_failing = False

    def refresh(self) -> None:
        """Remove the files of what was asked for, and read new ones. What fails is tried again at the next call."""
        try:
            if not self._has_begun:
                self._forget_old()
                self._has_begun = True
            self._refresh()
            self._is_failing = False
        except OSError as error:
            if not self._is_failing:
                self._log.warning("book_requests_unreadable", error=str(error))
            self._is_failing = True

    def take(self, keys: Collection[StreamKey], opened_us: int, now: float) -> list[StreamKey]:
        """The streams among `keys` whose books are to be asked for now on a connection that opened at `opened_us`.

        Each is this connection's until `note_sent` or `give_back`.
        """
        if not self._wanted:
            return []
        with self._lock:
            wanted = [key for key in keys if key in self._wanted and key not in self._taken]
            for key in wanted:
                if self._wanted[key].asked_us <= opened_us:
                    self._answered.add(self._wanted.pop(key).name)
            due = [key for key in wanted if key in self._wanted and self._delay(key).is_over(now)]
            for key in due:
                self._delay(key).note_asked(now)
            self._taken.update(due)
        return due

    def note_sent(self, keys: Collection[StreamKey]) -> None:
        """The exchange was asked for these books."""
        with self._lock:
            self._taken.difference_update(keys)
            self._answered.update(self._wanted.pop(key).name for key in keys if key in self._wanted)

    def give_back(self, keys: Collection[StreamKey]) -> None:
        """The connection ended before the exchange was asked for these books."""
        with self._lock:
            self._taken.difference_update(keys)

    def _delay(self, key: StreamKey) -> AskingDelay:
        return self._delays.setdefault(key, AskingDelay())

    def _forget_old(self) -> None:
        """Remove what waits before any connection has opened: each will begin with whole books."""
        for path in matching(self._folder, f"*{SUFFIX}"):
            path.unlink(missing_ok=True)

    def _refresh(self) -> None:
        with self._lock:
            known = self._answered | {request.name for request in self._wanted.values()}
            answered = set(self._answered)
        for name in answered:
            self._path(name).unlink(missing_ok=True)
        found = [path for path in matching(self._folder, f"*{SUFFIX}") if path.stem not in known]
        requests = [request for path in found if (request := self._read(path)) is not None]
        with self._lock:
            self._answered -= answered
            for request in requests:
                self._add(request)

    def _add(self, request: BookRequest) -> None:
        if request.stream in self._taken:
            return  # it is read again, because what is on its way may be older
        other = self._wanted.get(request.stream, request)
        older, newer = sorted([request, other], key=lambda request: request.asked_us)
        self._wanted[request.stream] = newer
        if older is not newer:
            self._answered.add(older.name)

    def _read(self, path: Path) -> BookRequest | None:
        try:
            request = read_request(path)
        except FileNotFoundError:
            return None
        except (UndecodableError, NewerDataError) as error:
            self._set_aside(path, str(error))
            return None
        if isinstance(request, BookRequest):
            return request
        self._set_aside(path, "is not for a book")
        return None

    def _set_aside(self, path: Path, reason: str) -> None:
        self._log.warning("request_set_aside", name=path.name, reason=reason)
        set_aside(path, self._aside)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}{SUFFIX}"
