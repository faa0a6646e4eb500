"""A feed at work whose streams change meanwhile: an exchange that numbers what it sends, and ingest in a thread."""

import errno
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from msgspec.structs import replace
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import Server, ServerConnection, serve

from collector.config import Config, FeedConfig, IngestConfig, JournalConfig
from collector.config.handed_on import newest_number, write_config
from collector.domain.records import StreamKey
from collector.exchanges.adapter import ConnectionPlan, Speakers, Subscription
from collector.processes.context import Context, SystemClock
from collector.processes.ingest import process
from collector.reports import IngestReport
from collector.storage.chosen_files import read_choice
from collector.storage.instrument_files import InstrumentList, ListedInstrument, write_instruments
from collector.storage.journal.files import journal_files
from collector.storage.journal.format import JournalHeader, RecordKind, decode_header
from tests.processes.ingest.ingest_harness import (
    DEADLINE_SECS,
    LIMITS,
    Bell,
    PlainAdapter,
    capturing_log,
    records_of,
)


@contextmanager
def no_new_journal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The disk refuses to begin another journal file."""

    def refuse(_fd: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("collector.storage.journal.writer.hold_file", refuse)
        yield


def chosen_symbols(folder: Path) -> tuple[str, ...]:
    choice = read_choice(folder, "f")
    return choice.symbols if choice is not None else ()


TOPICS = {"trade": "", "book_ticker": "@best", "mark_price": "@mark", "funding_rate": "@mark"}
"""What stands behind the symbol in the name of a topic; one brings two data types."""


class Listing(PlainAdapter):
    """A connection names its topics in its URL, each frame its topic."""

    hosts: tuple[str, ...] = ()

    def plan(self, subscription: Subscription, ws_url: str) -> list[ConnectionPlan]:
        topics: dict[str, list[StreamKey]] = {}
        for symbol, data_type in product(*subscription):
            key = StreamKey("plain", symbol, data_type)
            topics.setdefault(topic_of(key), []).append(key)
        groups, most = list(topics.values()), self.limits.streams_per_connection
        parts = [groups[start : start + most] for start in range(0, len(groups), most)]
        return [self.connection([key for group in part for key in group], ws_url) for part in parts]

    def connection(self, keys: Sequence[StreamKey], ws_url: str) -> ConnectionPlan:
        return ConnectionPlan(
            f"{ws_url or ''.join(self.hosts[:1])}/{','.join(dict.fromkeys(map(topic_of, keys)))}", (), tuple(keys)
        )

    def speakers(self, subscription: Subscription) -> Speakers:
        streams: dict[bytes, list[StreamKey]] = {}
        for symbol, data_type in product(*subscription):
            key = StreamKey("plain", symbol, data_type)
            streams.setdefault(topic_of(key).encode(), []).append(key)
        return lambda frames: {key for frame in frames for key in streams.get(frame.partition(b" ")[0], (None,))}


def topic_of(key: StreamKey) -> str:
    return f"{key.symbol}{TOPICS[key.data_type]}"


class Exchange:
    """Sends `<symbol> <number>` of every symbol of a connection, the same numbers on all connections."""

    def __init__(self, *, speaks: bool = True) -> None:
        self.speak_secs = 0.01
        self.asked: list[str] = []
        """The symbols of each connection, in the order of their opening."""
        self.silent: set[str] = set()
        self.refused: set[str] = set()
        """The symbols of connections that are closed at once."""
        self._to_renew: set[ServerConnection] = set()
        self._open: dict[ServerConnection, list[str]] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._server: Server = serve(self._serve, "127.0.0.1", 0)
        self.url = f"ws://127.0.0.1:{self._server.socket.getsockname()[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self._beside: list[Exchange] = [self]
        if speaks:
            threading.Thread(target=self._speak, daemon=True).start()

    def beside(self) -> "Exchange":
        """Another server, which sends the same."""
        self._beside.append(Exchange(speaks=False))
        return self._beside[-1]

    def renew(self) -> None:
        """Announce on all connections that they will be closed."""
        with self._lock:
            self._to_renew = set(self._open)

    def open_symbols(self) -> set[str]:
        """The symbols that some connection is made for now."""
        with self._lock:
            return {symbol for symbols in self._open.values() for symbol in symbols}

    def close(self) -> None:
        self._stop.set()
        self._server.shutdown()

    def _serve(self, connection: ServerConnection) -> None:
        request = connection.request
        assert request is not None
        symbols = request.path.strip("/")
        if symbols in self.refused:
            return
        with self._lock:
            self.asked.append(symbols)
            self._open[connection] = symbols.split(",")
        for _ in connection:
            pass

    def _speak(self) -> None:
        number = 0
        while not self._stop.wait(self.speak_secs):
            number += 1
            for server in self._beside:
                server.say(number)

    def say(self, number: int) -> None:
        """Send this number of every symbol."""
        with self._lock:
            for connection in list(self._open):
                self._say(connection, number)

    def _say(self, connection: ServerConnection, number: int) -> None:
        try:
            for symbol in self._open[connection]:
                if symbol not in self.silent:
                    connection.send(f"{symbol} {number}")
            if connection in self._to_renew:
                self._to_renew.remove(connection)
                connection.send("shutdown")
        except ConnectionClosed:
            del self._open[connection]


class Feed:
    """Ingest at work on a feed of patterns; `stop()` ends it and raises what it raised."""

    def __init__(
        self,
        data_dir: Path,
        url: str,
        *symbols: str,
        exclude: tuple[str, ...] = (),
        streams_per_connection: int = 3,
        data_types: tuple[str, ...] = ("trade",),
        lines: int = 1,
        config_number: int = 0,
        longest_delay_secs: float = 0.2,
        first_data_timeout_secs: float = 60.0,
        other_urls: Sequence[str] = (),
        hosts: tuple[str, ...] = (),
        settings: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self._hosts = hosts
        self._other_urls = other_urls
        self._limits = LIMITS._replace(streams_per_connection=streams_per_connection)
        feed = FeedConfig(
            exchange="plain", name="f", ws_url=url, symbols=symbols, exclude=exclude, data_types=data_types, lines=lines
        )
        ingest = IngestConfig(
            reconnect_base_delay_secs=longest_delay_secs / 4, reconnect_max_delay_secs=longest_delay_secs
        )
        ingest = replace(ingest, first_data_timeout_secs=first_data_timeout_secs)
        journal = JournalConfig(fsync_interval_secs=0.05, min_free_bytes=0)
        self.config = Config(data_dir=data_dir, feed=(feed,), ingest=ingest, journal=journal, **settings)
        self.bell = Bell()
        self.reports: list[Any] = []
        self.log, self.logged = capturing_log()
        self._stopping = threading.Event()
        self._error: BaseException | None = None
        self._context = Context(
            "ingest:f", self.config, self.bell, self.bell, self._stopping.is_set, self.reports.append, self.log,
            SystemClock(), config_number=config_number,
        )  # fmt: skip
        self.folder = data_dir / "journal" / "f"
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self.bell.wake()
        self._thread.join(DEADLINE_SECS)
        assert not self._thread.is_alive()
        if self._error is not None:
            raise self._error

    def trades(self, symbol: str) -> list[int]:
        frames = [frame for record in records_of(self.folder) for frame in record.frames]
        return [int(frame.split()[1]) for frame in frames if frame.startswith(f"{symbol} ".encode())]

    def connects(self) -> list[tuple[int, int]]:
        """Number and plan of each connection."""
        found = [record.info for record in records_of(self.folder) if record.kind is RecordKind.CONNECT]
        return [(info["connection"], info["plan"]) for info in found]

    def disconnects(self) -> list[int]:
        found = [record.info for record in records_of(self.folder) if record.kind is RecordKind.DISCONNECT]
        return [info["connection"] for info in found]

    def headers(self) -> list[JournalHeader]:
        found = [decode_header(path.read_bytes()) for _, path in journal_files(self.folder)]
        return [header for header in found if header is not None]

    def event(self, name: str) -> list[Any]:
        return [entry for entry in self.logged if entry["event"] == name]

    def configure(self, **changes: Any) -> int:
        """Hand on a configuration in which the feed has these settings; returns its number."""
        return self.hand_on(replace(self.config, feed=(replace(self.config.feed[0], **changes),)))

    def hand_on(self, config: Config) -> int:
        self.config = config
        number = newest_number(config.data_dir) + 1
        write_config(config.data_dir, number, config)
        return number

    def works_by(self, number: int) -> bool:
        return bool(self.reports) and self.reports[-1].config_number == number

    def trouble(self) -> str:
        newest = self.reports[-1] if self.reports else IngestReport()
        assert isinstance(newest, IngestReport)
        return newest.symbols_trouble

    def _run(self) -> None:
        try:
            adapter = Listing(limits=self._limits, other_urls=self._other_urls)
            adapter.hosts = self._hosts
            process.record(self._context, self.config.feed[0], adapter)
        except Exception as error:  # noqa: BLE001 (raised again in the test's thread)
            self._error = error


def listed(data_dir: Path, *symbols: str, halted: tuple[str, ...] = ()) -> None:
    """The exchange's newest list; earlier symbols are traded more."""
    instruments = [
        ListedInstrument(symbol, "spot", symbol not in halted, float(len(symbols) - rank))
        for rank, symbol in enumerate(symbols)
    ]
    write_instruments(data_dir, InstrumentList(1, "plain", 1, instruments))


def is_unbroken(numbers: list[int]) -> bool:
    return sorted(set(numbers)) == list(range(min(numbers), max(numbers) + 1))
