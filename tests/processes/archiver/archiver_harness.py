"""A data directory, its store and a clock that only moves when somebody waits: the archiver as the tests drive it."""

import os
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from collector.channel.channel import Notice
from collector.config import ArchiveConfig, Config
from collector.domain.log import Log
from collector.processes.archiver.process import Archiver
from collector.processes.context import Context
from collector.storage.archive.manifest import decode_manifest
from collector.storage.staging.staged_set import waiting_segments
from collector.storage.store.directory import DirectoryStore
from collector.storage.store.object_store import ObjectInfo, ObjectStore
from tests.storage.segment.segment_files import TRADES, UNKNOWN, ToyRowReader, make_gap, make_segment, message, trade

OPENED_AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
IDS = [f"20261123T12000{number}Z-4f2a9c" for number in range(5)]


class Store:
    """A store whose every call can be made to fail first: `before` is told its name and key, `before_put` only keys."""

    def __init__(self, opened: Callable[[], ObjectStore]) -> None:
        self._opened = opened
        self.inner = opened()
        self.before: Callable[[str, str], None] = lambda _call, _key: None
        self.before_put: Callable[[str], None] = lambda _key: None
        self.puts: list[str] = []

    def reopen(self) -> None:
        """In another process: leave the connections to the one that made them."""
        self.inner = self._opened()

    @property
    def url(self) -> str:
        return self.inner.url

    def check(self) -> None:
        self.before("check", "")
        self.before_put("_probe")
        self.inner.check()

    def put(self, key: str, source: Path, sha256: str) -> None:
        self.before("put", key)
        self.before_put(key)
        self.puts.append(key)
        self.inner.put(key, source, sha256)

    def head(self, key: str) -> ObjectInfo | None:
        self.before("head", key)
        return self.inner.head(key)

    def read(self, key: str) -> bytes | None:
        self.before("read", key)
        return self.inner.read(key)

    def fetch(self, key: str, target: Path) -> ObjectInfo | None:
        return self.inner.fetch(key, target)

    def keys(self, prefix: str) -> Iterator[str]:
        self.before("keys", prefix)
        return self.inner.keys(prefix)


class World:
    """A data directory, its store, and a clock that only moves when somebody waits."""

    def __init__(
        self, folder: Path, opened: Callable[[], ObjectStore] | None = None, *, concurrency: int = 1, **archive: Any
    ) -> None:
        archive = {"retry_base_delay_secs": 1.0, "retry_max_delay_secs": 60.0, **archive}
        self.config = Config(
            data_dir=folder, host_name="host-1", archive=ArchiveConfig(concurrency=concurrency, **archive)
        )
        self.store = Store(opened or (lambda: DirectoryStore(folder / "archive")))
        self.secs = 0.0
        self.haste = 1.0
        """By how much the clock is ahead of who waits for a notice."""
        self.stop_when: Callable[[], bool] = lambda: True
        self.after_crash = False
        self.told = 0
        self.hurry_when: Callable[[], bool] = lambda: False
        self.renew_when: Callable[[], bool] = lambda: False
        self.reports: list[Any] = []
        self.events: list[Mapping[str, Any]] = []
        self.adapter_of: Callable[[str], Any] = lambda _exchange: ToyRowReader()
        self.on_wait: Callable[[], None] = lambda: None
        self.now_us: Callable[[], int] = lambda: pytest.fail(
            "what is archived follows from the segment, not from the time"
        )

    @property
    def segments(self) -> Path:
        return self.config.data_dir / "segments"

    @property
    def staging(self) -> Path:
        return self.config.data_dir / "staging"

    @property
    def quarantine(self) -> Path:
        return self.config.data_dir / "quarantine"

    def waiting(self) -> list[str]:
        """What is not in the archive yet."""
        return waiting_segments(self.config.data_dir)

    def sets(self) -> list[str]:
        """What is staged, or half of it."""
        return sorted(path.name for path in self.staging.iterdir())

    def sleep(self, secs: float) -> None:
        self.secs += secs
        self.on_wait()

    def monotonic(self) -> float:
        return self.secs

    def wake(self) -> None:
        """No wait goes on while other code runs."""

    def descriptors(self) -> tuple[int, ...]:
        return ()

    def wait(self, timeout_secs: float) -> Notice | None:
        self.sleep(timeout_secs * self.haste)
        return None

    def offer(self, notice: Notice) -> None:
        """Count what others are told: that something was archived."""
        assert notice == Notice("archiver", "archived", 0, 0)
        self.told += 1

    def seal(self, number: int, **given: Any) -> Path:
        """Seal a segment of three trades, one frame that says nothing, and a gap."""
        ids = range(number * 10, number * 10 + 3)
        messages = [message(0, id_, trade(id_)) for id_ in ids] + [message(1, 0, b"?")]
        previous = IDS[number - 1] if number else ""
        given = {"segment_id": IDS[number], "previous_segment": previous, **given}
        gaps = [("toy", "BTC/USD", make_gap())]
        return make_segment(self.segments, [TRADES, UNKNOWN], messages, gaps=gaps, **given)

    def context(self) -> Context:
        class Clock:
            monotonic = staticmethod(self.monotonic)
            sleep = staticmethod(self.sleep)
            now_ns = now_us = staticmethod(self.now_us)

        return Context(
            role="archiver",
            config=self.config,
            sender=self,
            receiver=self,
            stopping=lambda: self.stop_when(),  # noqa: PLW0108 -- it changes while the archiver runs
            hurried=lambda: self.hurry_when(),  # noqa: PLW0108 -- likewise
            renewed=lambda: self.renew_when(),  # noqa: PLW0108 -- likewise
            report=self.reports.append,
            log=Log(lambda level, fields: self.events.append({"level": level, **fields})),
            clock=Clock,
            after_crash=self.after_crash,
        )

    def run(self) -> None:
        Archiver(self.context(), self.store, self.adapter_of).run()

    def tree(self) -> dict[str, bytes]:
        """Every object but the one that a look at the store leaves."""
        return {key: self.store.inner.read(key) or b"" for key in self.store.inner.keys("") if key != "_probe"}

    def left(self) -> list[str]:
        return sorted(path.name for path in self.segments.iterdir())

    def heard(self, event: str) -> list[Mapping[str, Any]]:
        return [entry for entry in self.events if entry["event"] == event]


def manifest_ids(tree: Mapping[str, bytes]) -> list[str]:
    return [decode_manifest(content).segment_id for key, content in tree.items() if key.startswith("_manifest/")]


def in_a_child(work: Callable[[], None]) -> int:
    """The exit code of a process that does `work`; 0 if it came to an end, 1 if it raised."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
