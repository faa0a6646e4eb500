"""Hosts at work: each a cluster process in a thread, on files of its own, with a real NATS server between them."""

import threading
import time
from pathlib import Path
from typing import Any, Literal

from collector.channel.bell import Bell
from collector.channel.channel import Notice
from collector.config import Config, FeedConfig
from collector.config.model import NatsConfig, ShareConfig
from collector.domain.log import Log
from collector.processes.cluster import process
from collector.processes.context import Context, SystemClock
from collector.reports import ClusterReport, IngestReport, Report
from collector.stats_files import stats_file
from collector.storage.share_files import NumberedShare, read_share

DEADLINE_SECS = 60.0
SYMBOLS = tuple(f"S{number:02}USDT" for number in range(24))


class Ringer:
    """Sender and receiver; rung by whoever stops the host."""

    def __init__(self) -> None:
        self._bell = Bell()

    def offer(self, notice: Notice) -> None:
        """Nobody is there to take it."""

    def wait(self, timeout_secs: float) -> Notice | None:
        self._bell.clear()
        return None

    def wake(self) -> None:
        self._bell.ring()

    def descriptors(self) -> tuple[int, ...]:
        return (self._bell.fileno(),)


class Host:
    """`start` begins a new process; its ingest follows each share at once, unless `follows` is false."""

    def __init__(
        self, folder: Path, name: str, url: str, *, role: Literal["edge", "storage"] = "edge", copies: int = 1, dead_secs: float = 0.5,
        symbols: tuple[str, ...] = SYMBOLS,
    ) -> None:  # fmt: skip
        self.name = name
        self.config = Config(
            data_dir=folder / name,
            host_name=name,
            role=role,
            nats=NatsConfig(urls=(url,), replicas=1),
            feed=(FeedConfig(name="f", symbols=symbols),),
            share=ShareConfig(copies=copies, heartbeat_secs=0.05, dead_secs=dead_secs),
        )
        self.follows = True
        self.report = ClusterReport()
        self.events: list[dict[str, Any]] = []
        self._error: BaseException | None = None
        self._is_renewed = False

    def start(self) -> "Host":
        self._stopping, self._ringer, self._is_renewed = threading.Event(), Ringer(), False
        log = Log(lambda _level, fields: self.events.append(dict(fields)))
        context = Context(
            "cluster", self.config, self._ringer, self._ringer, self._stopping.is_set, self._take, log, SystemClock(),
            renewed=lambda: self._is_renewed, run_id=f"run-{self.name}",
        )  # fmt: skip
        self._thread = threading.Thread(target=self._run, args=(context,), daemon=True)
        self._thread.start()
        return self

    def stop(self, *, says_so: bool = True) -> None:
        """End it in order; else as if it were killed, without a word to the others."""
        self._is_renewed = not says_so
        self._stopping.set()
        self._ringer.wake()
        self._thread.join(DEADLINE_SECS)
        assert not self._thread.is_alive()
        if self._error is not None:
            raise self._error

    @property
    def share(self) -> NumberedShare | None:
        return read_share(self.config.data_dir)

    def symbols(self) -> set[str]:
        """What ingest records."""
        share = self.share
        return set(SYMBOLS if share is None else share.share.of("f", SYMBOLS))

    def has_only(self, *members: str) -> bool:
        """Whether it shares with these, and holds nothing for others."""
        share = self.share
        return share is not None and share.share.view.members == members and not share.share.held

    def _run(self, context: Context) -> None:
        try:
            process.main(context)
        except Exception as error:  # noqa: BLE001 (raised again in the test's thread)
            self._error = error

    def _take(self, report: Report) -> None:
        assert isinstance(report, ClusterReport)
        self.report = report
        share = self.share
        if self.config.role == "edge" and self.follows:
            number = 0 if share is None else share.number
            stats_file(self.config.data_dir / "run/stats", "ingest:f").write(
                IngestReport(feed="f", share_number=number, updated_us=time.time_ns() // 1_000)
            )
