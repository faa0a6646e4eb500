"""A data directory and an archive that the real writer and archiver made of a recording, part by part."""

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from collector.config import Config, FeedConfig
from collector.domain.errors import StoreError
from collector.domain.repair_protocol import RepairAnswer, encode_answer
from collector.exchanges import registry
from collector.exchanges.adapter import Subscription
from collector.storage.journal.format import RecordKind
from collector.storage.store.directory import DirectoryStore
from collector.storage.store.object_store import ObjectStore
from tests.conftest import Lines
from tests.exchanges.recorded_markets import depth_as_subscribed
from tests.processes.archiver import archiver_harness
from tests.processes.writer.writer_harness import World, connection

NAME = "binance_spot/hftbacktest_btcusdt_20240808"
TYPES = ("book_delta", "trade", "book_ticker")

Frame = tuple[int, bytes]
"""When it was received, in ns, and its text."""


def binance_frames(recorded: Lines, count: int = 4_000, name: str = NAME) -> list[Frame]:
    """The first frames of a recording."""
    lines = [line for line in recorded(name) if line["dir"] == "in"][:count]
    return [(line["recv_ts_us"] * 1_000, depth_as_subscribed(line["raw"]).encode()) for line in lines]


def fetched_book(recorded: Lines, name: str = NAME) -> Frame:
    """The whole book that the recording's client fetched first, and when."""
    line = next(line for line in recorded(name) if line["dir"] == "http")
    return line["recv_ts_us"] * 1_000, line["raw"].encode()


def with_books(frames: Sequence[Frame]) -> list[Frame]:
    """The frames, and before each change of the book the best level of each side that it names, as a book of its own."""
    found: list[Frame] = []
    for at_ns, frame in frames:
        said = json.loads(frame)
        if "@depth@" in said["stream"]:
            data = said["data"]
            book = {"lastUpdateId": data["U"] - 1, "bids": data["b"][-1:], "asks": data["a"][:1]}
            found.append((at_ns, json.dumps({"stream": "btcusdt@depth20@100ms", "data": book}).encode()))
        found.append((at_ns, frame))
    return found


def trade_ids(frames: Sequence[Frame]) -> list[str]:
    """The ids of the trades among frames, in their order."""
    found = (re.search(rb'"e":"trade".*?"t":(\d+)', frame) for _, frame in frames)
    return [match[1].decode() for match in found if match]


def data_of(frames: Sequence[Frame], channel: str) -> list[dict[str, Any]]:
    """What the frames of a channel say."""
    said = (json.loads(frame) for _, frame in frames)
    return [one["data"] for one in said if one["stream"].partition("@")[2] == channel]


class RecordedWorld(World):
    """One recorder of one symbol. Each part it receives is a segment, once `seal` is called."""

    def __init__(
        self,
        folder: Path,
        opened: Callable[[], ObjectStore] | None = None,
        *,
        host: str = "host-1",
        data_types: tuple[str, ...] = TYPES,
        exchange: str = "binance",
        symbol: str = "BTCUSDT",
    ) -> None:
        super().__init__(folder)
        self.exchange = exchange
        self._subscription = Subscription((symbol,), data_types)
        feed = FeedConfig(
            exchange=exchange, symbols=(symbol,), data_types=data_types, name="f", ws_url="ws://elsewhere"
        )
        self.config = Config(data_dir=folder, host_name=host, feed=(feed,))
        self._opened = opened or (lambda: DirectoryStore(folder / "archive"))

    @property
    def data_dir(self) -> Path:
        """The data directory."""
        return self.config.data_dir

    def receive(self, frames: Sequence[Frame]) -> None:
        """Append frames to a journal of their own, as an ingest that leaves would."""
        self.now_ns = frames[0][0]
        journal = self.journal(symbols=self._subscription.symbols, data_types=self._subscription.data_types)
        for plan in range(len(registry.adapter(self.exchange).shares(self._subscription))):
            journal.append_event(RecordKind.CONNECT, self.now_ns, 0, connection(plan + 1, plan=plan))
        for at_ns, frame in frames:
            journal.append_frames(at_ns, 0, [frame], (), 1)
        self.now_ns = frames[-1][0] + 1_000
        journal.close()

    def fetch(self, at_ns: int, body: bytes) -> None:
        """Append a whole book that repair fetched, in its own journal."""
        self.now_ns = at_ns
        journal = self.journal(
            symbols=self._subscription.symbols, data_types=self._subscription.data_types, feed="f~rest"
        )
        answer = encode_answer(RepairAnswer(self._subscription.symbols[0], "book_delta", "snapshot"), body)
        journal.append_frames(at_ns, -1, [answer], (), 0)
        journal.close()

    def commit(self) -> None:
        """Commit what was received to the open segment, whose writer is then killed."""
        self.secs = 0.0
        self.run_for(30)

    def seal(self) -> None:
        """Commit what was received, and stop: the segment is sealed."""
        self.run()

    def archive(self) -> None:
        """Bring every sealed segment to the archive."""
        self._archiver().run()

    def stage_only(self) -> None:
        """Make sets of sealed segments, of which the store takes nothing."""
        world = self._archiver()
        world.store.before = _away
        world.stop_when = lambda: world.secs > 600
        world.run()

    def _archiver(self) -> archiver_harness.World:
        world = archiver_harness.World(self.data_dir, self._opened)
        world.adapter_of = registry.adapter
        return world


def _away(call: str, _key: str) -> None:
    raise StoreError(f"{call}: away")
