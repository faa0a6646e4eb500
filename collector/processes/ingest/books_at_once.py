"""Asks repair for whole books as soon as they are needed: with the first update that a connection brings of a book.

The writer asks, too, once it has proven that updates are missing, but that takes the reorder window and a commit; until
then updates come with no book to apply them to. What is asked for here is a request file like the writer's, in
`repair/<feed>/`. Its series is not known, and repair asks once for both.
"""

import threading
from collections.abc import Callable, Collection, Iterable
from functools import cached_property
from typing import Final

from collector.domain.errors import UndecodableError
from collector.domain.log import Log
from collector.domain.records import Envelope, StreamKey
from collector.domain.repair_protocol import BOOK, BookRequest
from collector.exchanges.adapter import Adapter, Conversation, Decode
from collector.exchanges.rest_adapter import RestAdapter
from collector.feed.connection import ReadBatch
from collector.processes.ingest.frame_meaning import subscription_of
from collector.processes.rest_adapters import read_response
from collector.storage.request_files import RequestFolder

_NONE: Final = frozenset[StreamKey]()


class ConnectionBooks:
    """The books of one connection. For its reader's thread."""

    def __init__(self, feed: "BooksAtOnce", keys: Iterable[StreamKey]) -> None:
        self._feed = feed
        self.keys = tuple(keys)
        self.awaited = frozenset(filter(feed.can_be_fetched, self.keys))
        """The books of which it has brought nothing yet."""
        self.carried = _NONE
        """The books of which it brings everything that follows."""
        self.is_settled = False

    @cached_property
    def decode(self) -> Decode:
        """Made once: for thousands of streams that takes milliseconds, and books begin one after the other."""
        return self._feed.adapter.decoder(subscription_of(self.keys))

    def note(self, keys: Collection[StreamKey | None], batch: ReadBatch) -> None:
        """It brought these streams with this batch, which is in the journal."""
        if self.awaited and not self.awaited.isdisjoint(keys):
            self._feed.begun(self, self.awaited.intersection(keys), batch)

    def settled(self) -> None:
        """All it was asked for is subscribed: what it has not brought yet was not sent."""
        self.is_settled = True

    def ended(self) -> None:
        """It brings nothing any more."""
        self._feed.ended(self)


class BooksAtOnce:
    """The books of one feed. Readers tell what connections bring; the main thread calls `put`."""

    def __init__(
        self, adapter: Adapter, rest: RestAdapter | None, folder: RequestFolder, wake: Callable[[], None], log: Log
    ) -> None:
        """`rest` is None if nothing is fetched for the feed. `wake` lets the main thread call `put` soon."""
        self.adapter = adapter
        self.rest = rest
        """May be replaced: connections that open from then on go by it."""
        self._folder = folder
        self._wake = wake
        self._log = log
        self._lock = threading.Lock()
        self._open: set[ConnectionBooks] = set()
        self._wanted: dict[StreamKey, BookRequest] = {}
        self._is_failing = False

    def opened(self, keys: Iterable[StreamKey]) -> ConnectionBooks:
        """A connection that carries these streams is open."""
        connection = ConnectionBooks(self, keys)
        if connection.awaited:
            with self._lock:
                self._open.add(connection)
        return connection

    def can_be_fetched(self, key: StreamKey) -> bool:
        """Whether repair can get the whole book."""
        rest = self.rest
        return rest is not None and key.data_type == BOOK and rest.snapshot(key.symbol) is not None

    def begun(self, connection: ConnectionBooks, keys: Collection[StreamKey], batch: ReadBatch) -> None:
        """A connection brings the first messages of these books; ask for those that no other one carries."""
        with self._lock:
            carried = _NONE.union(*(other.carried for other in self._open if other is not connection))
            connection.awaited -= frozenset(keys)
            connection.carried |= frozenset(keys)
        found = self._first_messages(connection, set(keys) - carried, batch)
        wanted = {key: _request(message, batch) for key, message in found.items() if not message.is_snapshot}
        if wanted:
            with self._lock:
                self._wanted.update(wanted)
            self._wake()

    def ended(self, connection: ConnectionBooks) -> None:
        """A connection is over. What it carried goes on without a break where another one was subscribed meanwhile."""
        with self._lock:
            self._open.discard(connection)
            for other in self._open:
                if other.is_settled:
                    other.carried |= other.awaited & connection.carried
                    other.awaited -= connection.carried

    def put(self) -> bool:
        """Write the requests; returns whether there are new ones for repair. What fails is tried again at the next call."""
        with self._lock:
            wanted, self._wanted = self._wanted, {}
        if not wanted:
            return False
        try:
            self._folder.put(wanted.values())
        except OSError as error:
            if not self._is_failing:
                self._log.warning("book_requests_unwritable", error=str(error))
            self._is_failing = True
            with self._lock:
                self._wanted = {**wanted, **self._wanted}
            return False
        self._is_failing = False
        return True

    def _first_messages(
        self, connection: ConnectionBooks, keys: set[StreamKey], batch: ReadBatch
    ) -> dict[StreamKey, Envelope]:
        """The first message of each of these streams, as far as one can be read from its frame alone."""
        if not keys or isinstance(decode := connection.decode, Conversation):
            return {}
        binary, found = set(batch.binary), dict[StreamKey, Envelope]()
        for index, frame in enumerate(batch.frames):
            if len(found) == len(keys):
                break
            try:
                text = self.adapter.inflate(frame) if index in binary else frame
                messages = read_response(lambda text=text: decode(text))  # type: ignore[misc]
            except UndecodableError:
                continue  # the writer keeps it, and says so
            for message in messages:
                if message.stream in keys:
                    found.setdefault(message.stream, message)
        return found


def _request(message: Envelope, batch: ReadBatch) -> BookRequest:
    from_id = message.id if message.first_id is None else message.first_id
    return BookRequest(message.stream, None, from_id or 0, batch.received_ns // 1_000)
