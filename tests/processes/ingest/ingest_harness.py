"""Runs ingest in a thread against a real WebSocket server, and reads back what it left in its journal."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from collector.channel.channel import Notice
from collector.config import Config, FeedConfig, IngestConfig, JournalConfig
from collector.config.model import BookConfig, SilenceConfig
from collector.domain.log import Log
from collector.domain.records import IdRule, StreamKey, TypedColumns
from collector.exchanges.adapter import (
    Adapter,
    ConnectionPlan,
    Control,
    ControlKind,
    Decode,
    Limits,
    Request,
    Speakers,
    Subscription,
)
from collector.exchanges.market import Market
from collector.feed.connection import open_connection
from collector.processes.context import Context, SystemClock
from collector.processes.disk_space import MeasureSpace, measure_space
from collector.processes.ingest import process
from collector.processes.ingest.feed_context import Connect
from collector.processes.ingest.orders import Orders
from collector.processes.journals import open_journal
from collector.storage.journal.files import journal_files
from collector.storage.journal.format import Record, RecordKind, decode_header, event_of, frames_of, parse_records
from collector.storage.journal.writer import JournalWriter

DEADLINE_SECS = 60.0
LIMITS = Limits(connections=1_000, window_secs=60, streams_per_connection=9, messages_per_sec=100, lifetime_secs=86_400)

CONTROLS = {
    b"noise": Control(ControlKind.NOISE, "noise"),
    b"ack": Control(ControlKind.ACK, "ack"),
    b"heartbeat": Control(ControlKind.HEARTBEAT, ""),
    b"error": Control(ControlKind.ERROR, "no such stream"),
    b"shutdown": Control(ControlKind.SHUTDOWN, "maintenance"),
}


def wait_for(condition: Callable[[], Any], what: str = "it") -> None:
    deadline = time.monotonic() + DEADLINE_SECS
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come about"
        threading.Event().wait(0.005)


class PlainAdapter(Market):
    """An exchange whose control frames are the words above; everything else is data."""

    exchange = "plain"
    ws_url = ""
    id_rules: Mapping[str, IdRule] = {}

    def __init__(
        self,
        urls: Sequence[str] = (),
        limits: Limits = LIMITS,
        messages: tuple[str, ...] = (),
        other_urls: Sequence[str] = (),
    ) -> None:
        self._other_urls = other_urls
        self.limits = limits  # type: ignore[misc]  # differs from test to test
        self._urls = urls
        self._requests = tuple(map(Request, messages))

    def plan(self, subscription: Subscription, ws_url: str) -> list[ConnectionPlan]:
        keys = tuple(
            StreamKey("plain", symbol, data_type)
            for symbol in subscription.symbols
            for data_type in subscription.data_types
        )
        return [ConnectionPlan(url, self._requests, keys) for url in self._urls or [ws_url]]

    def shares(self, subscription: Subscription) -> list[tuple[StreamKey, ...]]:
        return [plan.keys for plan in self.plan(subscription, "")]

    def elsewhere(self, keys: Sequence[StreamKey], ws_url: str) -> list[ConnectionPlan]:
        return [ConnectionPlan(url, self._requests, tuple(keys)) for url in self._other_urls]

    def speakers(self, subscription: Subscription) -> Speakers:
        """A frame begins with its symbol."""
        (data_type,) = subscription.data_types or ("trade",)
        symbols = {symbol.encode(): StreamKey("plain", symbol, data_type) for symbol in subscription.symbols}
        return lambda frames: {symbols.get(frame.partition(b" ")[0]) for frame in frames}

    def control(self, frame: bytes) -> Control | None:
        return CONTROLS.get(frame)

    def decoder(self, subscription: Subscription, state: bytes = b"") -> Decode:
        raise NotImplementedError

    def columns(self, data_type: str, payloads: Sequence[bytes]) -> TypedColumns:
        raise NotImplementedError

    def decimals(self, data_type: str, payload: bytes) -> Iterable[str]:
        raise NotImplementedError


class Bell:
    """Both ends of a channel that nobody listens to; only `wake` ends a wait."""

    def __init__(self) -> None:
        self.notices: list[Notice] = []
        self.arrived: Notice | None = None
        """What the next wait returns."""
        self._woken = threading.Event()

    def offer(self, notice: Notice) -> None:
        self.notices.append(notice)

    def descriptors(self) -> tuple[int, ...]:
        return ()

    def wait(self, timeout_secs: float) -> Notice | None:
        self._woken.wait(timeout_secs)
        self._woken.clear()
        arrived, self.arrived = self.arrived, None
        return arrived

    def wake(self) -> None:
        self._woken.set()


class Written(NamedTuple):
    """One record of the journal, taken apart."""

    kind: RecordKind
    line: int
    frames: list[bytes]
    binary: list[int]
    info: dict[str, Any]
    connection: int


def records_of(folder: Path) -> list[Written]:
    """Every record in the folder; what is still being written may be missing, nothing may be damaged."""
    written = []
    for _, path in journal_files(folder):
        data = path.read_bytes()
        header = decode_header(data)
        if header is None:
            continue
        parsed = parse_records(data[header.header_bytes :], header.header_bytes)
        assert not parsed.damaged
        written += [take_apart(record) for record in parsed.records]
    return written


def take_apart(record: Record) -> Written:
    if record.kind is not RecordKind.FRAMES:
        return Written(record.kind, record.line, [], [], event_of(record), record.connection)
    frames = frames_of(record)
    binary = [index for index, frame in enumerate(frames) if frame.binary]
    return Written(record.kind, record.line, [frame.data for frame in frames], binary, {}, record.connection)


def capturing_log() -> tuple[Log, list[Any]]:
    entries: list[Any] = []
    return Log(lambda level, fields: entries.append({"log_level": level, **fields})), entries


class Recording:
    """Ingest at work on `url`; `stop()` ends it and raises what it raised."""

    def __init__(
        self,
        data_dir: Path,
        url: str,
        *,
        adapter: Adapter | None = None,
        lines: int = 1,
        stale_timeout_secs: float = 20.0,
        first_data_timeout_secs: float = 60.0,
        symbols: tuple[str, ...] = ("BTCUSDT",),
        base_delay_secs: float = 0.05,
        silence: SilenceConfig | None = None,
        journal_config: JournalConfig | None = None,
        connect: Connect = open_connection,
        measure: MeasureSpace = measure_space,
        rest_url: str = "",
        data_types: tuple[str, ...] = ("trade",),
        exchange: str = "binance",
        book: BookConfig | None = None,
        wrap_journal: Callable[[JournalWriter], JournalWriter] = lambda journal: journal,
        settings: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        feed = FeedConfig(
            name="plain",
            exchange=exchange,
            ws_url=url,
            rest_url=rest_url,
            lines=lines,
            symbols=symbols,
            data_types=data_types,
        )
        config = Config(
            data_dir=data_dir,
            feed=(feed,),
            ingest=IngestConfig(
                reconnect_base_delay_secs=base_delay_secs,
                reconnect_max_delay_secs=base_delay_secs * 4,
                stale_timeout_secs=stale_timeout_secs,
                first_data_timeout_secs=first_data_timeout_secs,
            ),
            silence=silence or SilenceConfig(),
            book=book or BookConfig(),
            journal=journal_config or JournalConfig(fsync_interval_secs=0.05, min_free_bytes=0),
            **settings,
        )
        self.config = config
        self.bell = Bell()
        self.reports: list[Any] = []
        self.log, self.logged = capturing_log()
        self._stopping = threading.Event()
        self._error: BaseException | None = None
        clock = SystemClock()
        context = Context(
            "ingest:plain", config, self.bell, self.bell, self._stopping.is_set, self.reports.append, self.log, clock
        )
        self.journal = wrap_journal(open_journal(config, feed, clock.now_ns))
        self.folder = data_dir / "journal" / "plain"
        chosen: Adapter = adapter or PlainAdapter()
        self._thread = threading.Thread(
            target=lambda: self._run(context, config.feed[0], chosen, connect, measure), daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        self.begin_stop()
        self.join()

    def begin_stop(self) -> None:
        self._stopping.set()
        self.bell.wake()

    def join(self) -> None:
        self._thread.join(DEADLINE_SECS)
        assert not self._thread.is_alive(), "ingest does not stop"
        if self._error is not None:
            raise self._error

    def records(self, *kinds: RecordKind) -> list[Written]:
        return [record for record in records_of(self.folder) if not kinds or record.kind in kinds]

    def frames(self) -> list[bytes]:
        return [frame for record in self.records(RecordKind.FRAMES) for frame in record.frames]

    def events(self, name: str) -> list[Any]:
        return [entry for entry in self.logged if entry["event"] == name]

    def _run(
        self, context: Context, feed: FeedConfig, adapter: Adapter, connect: Connect, measure: MeasureSpace
    ) -> None:
        try:
            process.run(context, Orders(context, feed, adapter), adapter, self.journal, connect, measure)
        except Exception as error:  # noqa: BLE001 (raised again in the test's thread)
            self._error = error
