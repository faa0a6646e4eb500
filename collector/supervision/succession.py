"""The later program's side of a handover: it records beside the earlier one until it is known to be sound.

Its ingests begin first. Once the earlier program's other processes have left, its own take their place. It is sound when
it has stood for `supervisor.handover_min_secs` with processes that work (`work_shown.py`), no process of it has ended, and
it has brought every stream that should have spoken. Then the earlier ingests leave, and this program holds the recorder.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from collector import __version__
from collector.config import Config
from collector.domain.clock import Clock
from collector.domain.log import Log
from collector.processes.roles import processes_of, runs_beside_successor
from collector.reports import IngestReport, StreamNumbers, WriterReport
from collector.storage.formats import FORMATS
from collector.supervision.handover_link import Alive, Connected, Failed, Gone, Hello, Here, Link, Sound, Stored, Yours
from collector.supervision.handover_rules import changing_places
from collector.supervision.reload_steps import Steps
from collector.supervision.signals import Signals
from collector.supervision.supervisor import Reports, Supervisor
from collector.supervision.work_shown import idle

AWAITED_LIMIT_SECS: Final = 300.0
"""A stream that may be silent for longer is not waited for."""


class Succession:
    """One program's way from beside another one into its place. `look` is called about once a second, and never waits."""

    def __init__(self, link: Link, hello: Hello, config: Config, signals: Signals, clock: Clock, log: Log) -> None:
        self._link = link
        self._hello = hello
        self._config = config
        self._signals = signals
        self._clock = clock
        self._log = log
        self._began_at = clock.monotonic()
        self._yours_at: float | None = None
        self._yours_us = 0
        self._said: set[type] = set()
        self.gone: Gone | None = None
        """The earlier program's last word; it may have ended without one."""
        raised = raised_formats(FORMATS, hello.formats)
        self.raises_formats = bool(raised)
        """Whether the earlier program cannot read what this one writes."""
        link.send(Here(version=__version__, raised=raised))

    def first_connection(self, process: str) -> int:
        """The number of that process's first connection."""
        return self._hello.first_connections.get(process, 1) if self.gone is None else 1

    @property
    def request_id(self) -> str:
        """Of the request that asked for the handover."""
        return self._hello.request_id

    @property
    def first_processes(self) -> list[str]:
        """Those that begin beside the earlier program's."""
        return [name for name in processes_of(self._config) if runs_beside_successor(name)]

    def look(self, supervisor: Supervisor, reports: Reports) -> None:
        """Take the next step."""
        if self.gone is None:
            supervisor.holds_signals = True
            supervisor.wakes.add(self._link.fileno())
        for message in self._link.receive():
            match message:
                case Yours():
                    self._start_others(supervisor)
                case Gone():
                    self.gone = message
        if self.gone is None and self._link.is_closed:
            self._log.warning("earlier_program_vanished")
            self.gone = Gone(notes=["the earlier version ended by itself"])
        if self.gone is not None:
            self._take(supervisor)
        elif failure := self._failure(supervisor):
            self._log.error("handover_given_up", reason=failure)
            self._link.send(Failed(reason=failure))
            supervisor.end(1)
        else:
            waits_for = next(self._steps(supervisor, reports), "")
            self._link.send(Alive(waits_for=waits_for, told_to_stop=self._signals.is_noted))

    def _steps(self, supervisor: Supervisor, reports: Reports) -> Iterator[str]:
        """Take every step that is due, and yield what the next one waits for."""
        if not supervisor.recording:
            yield "its processes have not reported yet"
        own = {child.role: child.pid for child in supervisor.children}
        reports = {role: report for role, report in reports.items() if report.pid == own.get(role)}
        ingests = [report for report in reports.values() if isinstance(report, IngestReport)]
        yield from (f"{report.feed}: not all connections are open" for report in ingests if not _is_connected(report))
        self._say(Connected())
        if self._yours_at is None:
            yield f"the earlier {changing_places(self._config)} have not left yet"
        waited_secs = self._clock.monotonic() - (self._yours_at or 0.0)
        yield from idle(processes_of(self._config), reports, self._yours_us, waited_secs)
        self._say(Stored())
        rest_secs = self._began_at + self._config.supervisor.handover_min_secs - self._clock.monotonic()
        if rest_secs > 0:
            yield f"supervisor.handover_min_secs are over in {rest_secs:.0f} s"
        yield from (f"{name} has not come over its connections yet" for name in self._awaited(reports, ingests))
        self._say(Sound())

    def _awaited(self, reports: Reports, ingests: Sequence[IngestReport]) -> Iterator[str]:
        """The streams that should have come by now; where no writer knows how often each speaks, all for a while."""
        exchanges = {feed.name: feed.exchange for feed in self._config.feed}
        keys = [(exchanges.get(each.feed, ""), *stream) for each in ingests for stream in each.unheard]
        writer = next((report for report in reports.values() if isinstance(report, WriterReport)), None)
        if writer is not None:
            yield from awaited(keys, writer.streams, self._clock.now_us())
        elif self._clock.monotonic() - self._began_at <= AWAITED_LIMIT_SECS:
            yield from (" ".join(key) for key in keys)

    def _failure(self, supervisor: Supervisor) -> str:
        """Which process has ended, as long as the earlier program can go on without this one; empty if none has.

        Later, a process that ends is started again as ever; after a signal to all of them it is this one's to stop in order.
        """
        if Sound in self._said or self._signals.is_noted:
            return ""
        return _ended(supervisor)

    def _say(self, message: Connected | Stored | Sound) -> None:
        if type(message) not in self._said:
            self._said.add(type(message))
            self._link.send(message)

    def _start_others(self, supervisor: Supervisor) -> None:
        self._yours_at, self._yours_us = self._clock.monotonic(), self._clock.now_us()
        known = {child.role for child in supervisor.children}
        others = tuple(name for name in processes_of(self._config) if name not in known)
        supervisor.reconfigure(self._config, self._hello.config_number, Steps(start=others))

    def _take(self, supervisor: Supervisor) -> None:
        supervisor.wakes.clear()
        self._link.close()
        supervisor.holds_signals = False
        if self._yours_at is None:
            self._start_others(supervisor)
        self._log.info("taken_over", earlier=self._hello.version, version=__version__)


def raised_formats(ours: Mapping[str, int], theirs: Mapping[str, int]) -> list[str]:
    """The stored formats of which this program writes a version that the other one cannot read."""
    return [
        f"{name} {theirs.get(name, 0)} -> {version}" for name, version in ours.items() if version > theirs.get(name, 0)
    ]


def awaited(unheard: Sequence[tuple[str, str, str]], streams: Sequence[StreamNumbers], now_us: int) -> Iterator[str]:
    """Those of these streams (exchange, symbol, data type) that should have come by now, for people.

    Not one that may be silent for long, by what was learned of it, nor one that nobody brings.
    """
    known = {(stream.exchange, stream.symbol, stream.data_type): stream for stream in streams}
    for key in unheard:
        stream = known.get(key)
        if stream is None or stream.silence_limit_secs is None or stream.last_received_us is None:
            continue
        silent_secs = (now_us - stream.last_received_us) / 1e6
        if stream.silence_limit_secs <= AWAITED_LIMIT_SECS and silent_secs <= stream.silence_limit_secs:
            yield " ".join(key)


def _is_connected(report: IngestReport) -> bool:
    return bool(report.symbols_trouble) or (bool(report.lines) and all(line.state == "open" for line in report.lines))


def _ended(supervisor: Supervisor) -> str:
    """Which process has ended since the start, and how; empty if none has."""
    for child in supervisor.children:
        if child.restarts or child.state in {"backoff", "failed"}:
            return f"its {child.role} ended (exit code {child.exit_code}); the log says why"
    return ""
