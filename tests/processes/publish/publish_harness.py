"""A publisher on real journal files, between servers and a storage host in memory, on a clock of its own."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from collector.config import Config, FeedConfig
from collector.config.model import EdgeConfig
from collector.processes.publish.publisher import Publisher
from collector.reports import PublishReport
from collector.storage.journal.files import journal_files, next_number
from collector.storage.journal.format import FeedIdentity
from collector.storage.journal.head import file_id_of
from collector.storage.journal.writer import JournalWriter
from tests.processes.process_harness import ProcessHarness
from tests.processes.publish.fake_bus import EDGE, FEED, FakeBus, FakeRelay, as_bus

START_NS = 1_700_000_000_000_000_000
IDENTITY = FeedIdentity(FEED, "binance", ("BTCUSDT",), ("trade",))
STEP_SECS = 0.05
MOST_STEPS = 20_000


class PublishHarness(ProcessHarness):
    """`settle` lets the publisher and the storage host work until nothing is left."""

    def __init__(self, data_dir: Path, **edge: float) -> None:
        given = {"slice_bytes": 2_000, "in_flight_bytes": 10_000, "linger_secs": 0.02, "rewind_secs": 4.0} | edge
        config = Config(
            data_dir=data_dir,
            host_name=EDGE,
            feed=(FeedConfig(name=FEED),),
            edge=EdgeConfig(**given),  # type: ignore[arg-type]
        )
        super().__init__(config, START_NS)
        self.folder = config.data_dir / "journal" / FEED
        self.bus = FakeBus()
        self.relay = FakeRelay(self.bus)
        self.publisher = self.new_publisher()

    def new_publisher(self) -> Publisher:
        context = self.context(f"publish:{FEED}")
        self.publisher = Publisher(context, self.config.feed[0], as_bus(self.bus), lambda: 0.5, lambda: None)
        return self.publisher

    def journal(self, file_bytes: int = 5_000) -> JournalWriter:
        number = next_number(self.folder, self.config.data_dir / "segments" / "positions.json", FEED)
        return JournalWriter(self.folder, IDENTITY, number, file_bytes, lambda: self.now_ns)

    def append(self, journal: JournalWriter, frames: int, size: int = 100) -> None:
        for number in range(frames):
            self.now_ns += 1_000_000
            journal.append_frames(self.now_ns, 0, [bytes([number % 251]) * size], (), 1)

    async def turn(self) -> None:
        self.publisher.notice()
        await self.publisher.turn()
        await asyncio.sleep(0)
        self.sleep(STEP_SECS)

    async def settle(self, until: Callable[[], bool] | None = None) -> None:
        """Work on until that is so; by default until storage has the whole journal."""
        done = until or self.is_there
        for _ in range(MOST_STEPS):
            await self.turn()
            await self.relay.step()
            if done():
                return
        raise AssertionError(f"storage has {self.relay.places}; {self.report()}")

    def is_there(self) -> bool:
        """Whether storage has every file as far as it is written."""
        sizes = {file_id_of(path, FEED, number): path.stat().st_size for number, path in journal_files(self.folder)}
        return all(len(self.relay.files.get(file_id, b"")) == size for file_id, size in sizes.items())

    def report(self) -> PublishReport:
        return self.publisher.report()


@contextmanager
def kept_files(harness: PublishHarness) -> Iterator[dict[str, bytes]]:
    """At the end: the bytes of every journal file that was seen, also of those that were removed meanwhile."""
    found: dict[str, bytes] = {}
    removed = Path.unlink

    def look() -> None:
        found.update(
            {file_id_of(path, FEED, number): path.read_bytes() for number, path in journal_files(harness.folder)}
        )

    def unlink(path: Path, missing_ok: bool = False) -> None:
        look()
        removed(path, missing_ok)

    Path.unlink = unlink  # type: ignore[method-assign, assignment]
    try:
        yield found
        look()
    finally:
        Path.unlink = removed  # type: ignore[method-assign]
