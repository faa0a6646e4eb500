"""One soak: an exchange, a recorder, a plan carried out against it, and the judgement of what was left."""

import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from tests.soak import reading, report
from tests.soak.chaos import INGEST, Chaos
from tests.soak.evidence import Evidence, Ids, Killed, Problem, Stream
from tests.soak.grip import end_all
from tests.soak.judgement import judge
from tests.soak.network import Network, outages
from tests.soak.plan import HANG_TIMEOUT_SECS, plan
from tests.soak.remains import archive_problems, left_behind
from tests.soak.watch import TOKEN, TRACKER, LogTail, Processes
from tests.whole.running import POLL_SECS, Exchange, Recorder

SYMBOLS: Final = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
FEEDS: Final = {"books": ("book_snapshot", "book_delta", "book_ticker"), "trades": ("trade", "agg_trade")}
SETTINGS: Final = {
    "writer": {"batch_interval_secs": 0.5},
    "segment": {"interval_secs": 2},
    "archive": {"keep_raw": True, "retry_base_delay_secs": 0.1, "retry_max_delay_secs": 1},
    "supervisor": {
        "restart_base_delay_secs": 0.1,
        "restart_max_delay_secs": 1,
        "hang_timeout_secs": HANG_TIMEOUT_SECS,
    },
    "journal": {"min_free_bytes": "64MiB"},
}
BEGIN_SECS: Final = 120.0
"""Until every stream has a durable row, at the beginning and after the last kill."""

JUDGE_SECS: Final = 3.0
"""After that, for the holes that are not yet judged."""

STOP_SECS: Final = 130.0
TRACKER_SECS: Final = 3.0
"""Until a tracker has removed what it tracks."""

REPLAYED: Final = 0.9
"""The share of a recording after which nothing more is killed: a hole is proven by what follows it."""

PROGRESS_SECS: Final = 1.0
Say = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """What to do. `rate` is messages a second and symbol or, of a replay, times the recorded pace."""

    folder: Path
    secs: float
    kills: int
    seed: int
    rate: float
    outages_per_minute: float = 1.0
    replay: tuple[Path, ...] = ()


class Soak:
    """The processes of one run."""

    def __init__(self, options: Options, say: Say) -> None:
        self._options = options
        self._say = say
        self._say_at = 0.0
        self._stats: dict[str, Any] = {"frames_sent": 0, "replay": None}
        self._recorded = reading.Recorded(options.replay) if options.replay else None
        self.feeds = feeds(self._recorded.streams if self._recorded else live_streams())
        self.roles = [*(f"{INGEST}{name}" for name in self.feeds), "writer", "archiver"]
        options.folder.mkdir(parents=True, exist_ok=True)
        self.exchange = Exchange(options.folder, *self._exchange_arguments())
        self.network = Network(int(self.exchange.ws_url.rpartition(":")[2]))
        token = secrets.token_hex(8)
        self.recorder = Recorder(
            options.folder, f"ws://127.0.0.1:{self.network.port}", environment={TOKEN: token},
            feed=[feed_table(name, streams) for name, streams in self.feeds.items()], **SETTINGS,
        )  # fmt: skip
        self.log = LogTail(self.recorder.log_path)
        self.processes = Processes(token, self.log, self.recorder.data_dir)
        self.chaos = Chaos(self.recorder, self.processes, self.log, self.roles, self.network, options.seed)
        self.semaphores = 0, 0
        """Seen, and left behind by a clean stop."""
        self._began = time.monotonic()

    @property
    def breaks(self) -> dict[Stream, list[Ids]]:
        """Ids that the exchange itself leaves out: only a recording does."""
        return self._recorded.breaks if self._recorded else {}

    def go(self) -> list[Problem]:
        """Start, do the plan, stop in order; returns what went wrong on the way."""
        options, chaos = self._options, self.chaos
        chaos.start()
        if not self._has_rows():
            raise RuntimeError(f"not every stream has rows at the start; the log is {self.recorder.log_path}")
        steps = plan(options.seed, self.roles, options.kills, options.secs)
        chaos.run([*steps, *outages(options.seed, options.outages_per_minute, options.secs)], self._is_over)
        problems = [] if self._has_rows() else [Problem("stuck", "not every stream has rows after the last kill")]
        end = time.monotonic() + JUDGE_SECS
        chaos.wait_until(lambda: time.monotonic() >= end)
        problems += self._stop()
        self.log.read()
        problems += left_behind(self.recorder.data_dir, self.processes)
        self.semaphores = len(self.processes.semaphores), len(self.processes.present_semaphores())
        return problems

    def _stop(self) -> list[Problem]:
        self._say("stopping")
        try:
            code = self.recorder.stop(signal.SIGTERM, STOP_SECS)
        except subprocess.TimeoutExpired:
            end_all(self.processes)
            return [Problem("exit", f"the last stop took more than {STOP_SECS:g} s")]
        return [Problem("exit", f"the last stop ended with exit code {code}")] if code else []

    def end(self) -> None:
        """Leave no process and no semaphore behind, whatever happened."""
        self.chaos.let_go()
        end_all(self.processes, spared=TRACKER)
        self.recorder.end()
        deadline = time.monotonic() + TRACKER_SECS
        while self.processes.living() and time.monotonic() < deadline:
            time.sleep(POLL_SECS)
        end_all(self.processes)
        self.processes.remove_semaphores()
        self.exchange.stop()

    def evidence(self) -> Evidence:
        """Everything that was sent and kept; the exchange has been stopped."""
        feed_of = {stream: name for name, streams in self.feeds.items() for stream in streams}
        log = reading.SentFrames(lambda stream: feed_of[stream])
        log.read(self.exchange.sent_log)
        archive = self.recorder.data_dir / "archive"
        return Evidence(
            feeds=self.feeds,
            sent=log.sent,
            connections=log.connections,
            archived=reading.archived(archive, list(feed_of)),
            gaps=reading.ledger(archive),
            killed=[*self.chaos.killed, *self._killed_by_supervisor()],
            cuts=self.network.spans,
            breaks=self.breaks,
        )

    def _killed_by_supervisor(self) -> list[Killed]:
        return [
            self.chaos.death(death.role, death.pid, death.at_us)
            for death in self.log.deaths
            if death.role.startswith(INGEST) and death.exit_code == -signal.SIGKILL
        ]

    def _exchange_arguments(self) -> list[str]:
        options = self._options
        if options.replay:
            files = [str(path.resolve()) for path in options.replay]
            return ["--replay", *files, "--speed", str(options.rate), "--clients", str(len(self.feeds))]
        return ["--symbols", ",".join(SYMBOLS), "--rate", str(options.rate), "--seed", str(options.seed)]

    def _has_rows(self) -> bool:
        """Wait until every stream has a durable row that was stored from now on; false if that takes too long."""
        since = datetime.now(UTC)

        def reached() -> bool:
            self._progress()
            return self._are_durable(since) or self._played().get("finished", False)

        return self.chaos.wait_until(reached, BEGIN_SECS)

    def _are_durable(self, since: datetime) -> bool:
        status = self.recorder.status() if self.chaos.settled() else None
        times = [stream["last_durable_at"] for stream in status["streams"]] if status else [None]
        return all(time and datetime.fromisoformat(time) >= since for time in times)

    def _played(self) -> dict[str, Any]:
        return dict(self._stats["replay"] or {})

    def _is_over(self) -> bool:
        self._progress()
        if not self.exchange.alive():
            raise RuntimeError("the exchange ended")
        played = self._played()
        return bool(played) and played["position"] >= REPLAYED * played["frames"]

    def _progress(self) -> None:
        now = time.monotonic()
        if now < self._say_at:
            return
        self._say_at = now + PROGRESS_SECS
        self._stats = self.exchange.stats() or self._stats  # it may be too busy to answer
        peak = max(self.processes.peak_bytes.values(), default=0) / 2**20
        self._say(
            f"{now - self._began:5.0f} s   {self.chaos.kills} kills   {self._stats['frames_sent']:,} frames sent   "
            f"peak {peak:.0f} MiB"
        )


def live_streams() -> list[Stream]:
    """What the live market is recorded of."""
    types = [data_type for types in FEEDS.values() for data_type in types]
    return [Stream(symbol, data_type) for symbol in SYMBOLS for data_type in types]


def feeds(streams: list[Stream]) -> dict[str, list[Stream]]:
    """The streams, spread over the feeds by their type; a feed without any is left out."""
    spread = {name: [stream for stream in streams if stream.data_type in types] for name, types in FEEDS.items()}
    return {name: streams for name, streams in spread.items() if streams}


def feed_table(name: str, streams: list[Stream]) -> dict[str, Any]:
    """A feed's settings."""
    symbols, types = ({getattr(stream, part) for stream in streams} for part in Stream._fields)
    return {"name": name, "symbols": sorted(symbols), "data_types": sorted(types)}


@contextmanager
def started(options: Options, say: Say) -> Iterator[Soak]:
    """A soak whose processes are gone at the end of the `with` block."""
    soak = Soak(options, say)
    try:
        with soak.network:
            yield soak
    finally:
        soak.end()


def run(options: Options, say: Say) -> report.Outcome:
    """Soak and judge. Raises RuntimeError or AssertionError where the recorder does not come up or go on."""
    began = datetime.now(UTC)
    with started(options, say) as soak:
        problems = soak.go()
    say("judging")
    judgement = judge(soak.evidence())
    chaos, log, processes = soak.chaos, soak.log, soak.processes
    problems += [*chaos.problems, *judgement.problems, *archive_problems(soak.recorder.data_dir / "archive", log)]
    problems += report.usage_problems(chaos.samples, processes.peak_bytes)
    return report.Outcome(
        about=_about(options, began), roles=soak.roles, done=chaos.done, outages=soak.network.done,
        skipped=chaos.skipped, exits=chaos.exits,
        starts=log.starts, peak_bytes=processes.peak_bytes, samples=chaos.samples, semaphores=soak.semaphores,
        events=log.events, strays=log.strays, hung=(len(log.hung), sum(not chaos.was_stopped(pid) for pid in log.hung)),
        judgement=judgement, problems=problems,
    )  # fmt: skip


def _about(options: Options, began: datetime) -> str:
    if options.replay:
        source = f"{', '.join(path.name for path in options.replay)} at {options.rate:g} times its pace"
    else:
        source = f"live market of {len(SYMBOLS)} symbols, about {options.rate:g} messages/s each"
    return f"{began:%Y-%m-%d %H:%M} UTC, {options.secs / 60:g} minutes, seed {options.seed}: {source}"


def quiet(_text: str) -> None:
    """Say nothing."""
