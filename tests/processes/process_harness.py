"""Where a process works in a test: on real files, with a clock that moves only while it waits, and a log that is a list."""

from collections.abc import Callable

from collector.channel.channel import Notice
from collector.config import Config
from collector.domain.log import Log
from collector.processes.context import Context
from collector.reports import Report


class ProcessHarness:
    """Sender, receiver and clock of the process; `stop_when` tells it to leave."""

    def __init__(self, config: Config, start_ns: int) -> None:
        self.config = config
        self.now_ns = start_ns
        self.secs = 0.0
        self.stop_when: Callable[[], bool] = lambda: True
        self.renew_when: Callable[[], bool] = lambda: False
        self.sent: list[tuple[float, Notice]] = []
        self.events: list[str] = []
        self.run_id = "run-1"

    def sleep(self, secs: float) -> None:
        self.secs += secs
        self.now_ns += int(secs * 1e9)

    def monotonic(self) -> float:
        return self.secs

    def wake(self) -> None:
        """No wait goes on while other code runs."""

    def descriptors(self) -> tuple[int, ...]:
        return ()

    def wait(self, timeout_secs: float) -> Notice | None:
        self.sleep(timeout_secs)
        return None

    def offer(self, notice: Notice) -> None:
        self.sent.append((self.secs, notice))

    def context(self, role: str, report: Callable[[Report], None] = lambda _numbers: None) -> Context:
        class Clock:
            monotonic = staticmethod(self.monotonic)
            sleep = staticmethod(self.sleep)
            now_ns = staticmethod(lambda: self.now_ns)
            now_us = staticmethod(lambda: self.now_ns // 1_000)

        return Context(
            role=role,
            config=self.config,
            sender=self,
            receiver=self,
            stopping=lambda: self.stop_when(),  # noqa: PLW0108 -- it changes while the process runs
            renewed=lambda: self.renew_when(),  # noqa: PLW0108 -- likewise
            report=report,
            log=Log(lambda _level, fields: self.events.append(fields["event"])),
            clock=Clock,
            run_id=self.run_id,
        )
