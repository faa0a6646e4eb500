"""Carries a plan out against a recorder, and starts its supervisor anew whenever that has ended, as systemd would."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from itertools import count
from typing import Final, NamedTuple

from tests.soak.evidence import Killed, Problem
from tests.soak.grip import Grip, end_all, grip
from tests.soak.network import Network, Outage
from tests.soak.plan import EVERYTHING, KILL, STOP_CONTINUE, STOP_KILL, SUPERVISOR, TERM, Step
from tests.soak.watch import LogTail, Processes, Sample
from tests.whole.running import DEADLINE_SECS, Recorder

TICK_SECS: Final = 0.02
LOOK_SECS: Final = 0.25
SETTLED_SECS: Final = 0.3
"""A supervisor is sampled once it has had all its children for this long."""

TARGET_SECS: Final = 15.0
"""How long to wait for a process of the role whose turn it is."""

CATCH_UP_US: Final = 5_000_000
"""How long an ingest that was stopped may need, once it goes on, to read what has waited."""

MOST_UNEXPECTED: Final = 10
INGEST: Final = "ingest:"


class Held(NamedTuple):
    """A stopped process, and what is done to it at `due`."""

    due: float
    order: int
    step: Step
    grip: Grip


class Chaos:
    """One run of a plan. What happened stands in `done`, `skipped`, `killed`, `samples`, `exits` and `problems`."""

    def __init__(
        self,
        recorder: Recorder,
        processes: Processes,
        log: LogTail,
        roles: list[str],
        network: Network,
        seed: int,
    ) -> None:
        self._recorder = recorder
        self._network = network
        self._processes = processes
        self._log = log
        self._roles = roles
        self._chance = random.Random(seed)
        self._held: list[Held] = []
        self._orders = count()
        self._stops_us: dict[int, tuple[int, int | None]] = {}
        """When a process was stopped last, and when it went on."""
        self._expected: set[int] = set()
        """The exit codes the supervisor may have, once it shall end."""
        self._look_at = 0.0
        self._settled_since: float | None = None
        self._sampled_starts = 0
        self._started_before = 0
        self.done: Counter[tuple[str, str]] = Counter()
        self.skipped = 0
        """Steps that found their process gone."""
        self.killed: list[Killed] = []
        self.samples: list[Sample] = []
        self.exits: Counter[int] = Counter()
        self.problems: list[Problem] = []

    @property
    def kills(self) -> int:
        """SIGKILLs so far; one blow at everything counts as one."""
        return sum(times for (action, _), times in self.done.items() if action in {KILL, STOP_KILL})

    def start(self) -> None:
        """Start the recorder in a process group of its own, which can be killed at one blow."""
        self._recorder.start(start_new_session=True)
        self._processes.supervisor = self._recorder.process.pid
        self._expected = set()
        self._started_before = self._log.events["started"]
        self._settled_since, self._sampled_starts = None, 0

    def run(self, steps: Sequence[Step | Outage], over: Callable[[], bool]) -> None:
        """Carry the steps out at their times, until all are done or it is `over`; then let everybody go on."""
        started = time.monotonic()
        for step in sorted(steps, key=lambda step: step.at_secs):
            due = started + step.at_secs
            self.wait_until(lambda due=due: over() or time.monotonic() >= due)  # type: ignore[misc]
            if over():
                break
            if isinstance(step, Outage):
                self._network.fail(step)
            else:
                self._do(step)
        self.wait_until(lambda: not self._held and not self._expected and not self._network.is_out())

    def wait_until(self, reached: Callable[[], bool], timeout_secs: float = float("inf")) -> bool:
        """Look after everything meanwhile; false if the time ran out first."""
        deadline = time.monotonic() + timeout_secs
        while not reached():
            if time.monotonic() > deadline:
                return False
            self._tick()
            time.sleep(TICK_SECS)
        return True

    def settled(self) -> bool:
        """Whether the supervisor goes on and has all its children."""
        stopped = any(held.step.target == SUPERVISOR for held in self._held)
        calm = not stopped and not self._expected and self._recorder.process.poll() is None
        return calm and self._processes.complete(self._roles)

    def death(self, role: str, pid: int, at_us: int) -> Killed:
        """An ingest's death, with when it last had time to read everything."""
        stopped_us, continued_us = self._stops_us.get(pid, (at_us, at_us - CATCH_UP_US))
        caught_up = continued_us is not None and at_us - continued_us >= CATCH_UP_US
        return Killed(role.removeprefix(INGEST), at_us, at_us if caught_up else stopped_us)

    def was_stopped(self, pid: int) -> bool:
        """Whether the plan stopped that process."""
        return pid in self._stops_us

    def let_go(self) -> None:
        """Do nothing more to whom is stopped; for the end."""
        for held in self._held:
            with held.grip:
                held.grip.send(signal.SIGCONT)
        self._held.clear()

    # Looking after it

    def _tick(self) -> None:
        self._log.read()
        now = time.monotonic()
        while self._held and self._held[0].due <= now:
            self._release(heappop(self._held))
        if self._recorder.process.poll() is not None:
            self._succeed()
        if now >= self._look_at:
            self._look_at = now + LOOK_SECS
            self._processes.look()
            self._sample(now)

    def _succeed(self) -> None:
        """Start a new supervisor in the place of one that ended; it should have had a reason."""
        code = self._recorder.process.returncode
        self.exits[code] += 1
        self._log.read()
        if 0 in self._expected and self._log.events["started"] == self._started_before:
            self._expected.add(-signal.SIGTERM)  # it had not yet begun to listen
        if code not in self._expected:
            wanted = f"not {sorted(self._expected)}" if self._expected else "by itself"
            self.problems.append(Problem("exit", f"the supervisor ended with exit code {code}, {wanted}"))
            if len(self.problems) > MOST_UNEXPECTED:
                raise RuntimeError(f"the recorder does not stay up: {self.problems[-1].text}")
        self.start()

    def _sample(self, now: float) -> None:
        if not self.settled():
            self._settled_since = None
            return
        self._settled_since = self._settled_since or now
        if now - self._settled_since >= SETTLED_SECS and self._log.starts_in_run > self._sampled_starts:
            self._sampled_starts = self._log.starts_in_run
            self.samples.append(self._processes.sample())

    # Doing

    def _do(self, step: Step) -> None:
        if step.target == EVERYTHING:
            self._kill_everything(step)
            return
        if (step.action, step.target) == (TERM, SUPERVISOR):
            # A second SIGTERM would hurry it, and leave a backlog on purpose.
            self.wait_until(lambda: not self._expected)
        if not self.wait_until(lambda: self._aim(step), TARGET_SECS):
            self.skipped += 1

    def _aim(self, step: Step) -> bool:
        """Do it to one of the role's processes; false if there is none."""
        pids = self._processes.of(step.target)
        held = grip(self._processes, self._chance.choice(pids)) if pids else None
        if held is None:
            return False
        if step.action in {STOP_KILL, STOP_CONTINUE}:
            self._note_stop(held.pid, _now_us())
            held.send(signal.SIGSTOP)
            heappush(self._held, Held(time.monotonic() + step.hold_secs, next(self._orders), step, held))
        else:
            with held:
                self._strike(step, held)
        return True

    def _note_stop(self, pid: int, at_us: int) -> None:
        stopped_us, continued_us = self._stops_us.get(pid, (at_us, None))
        caught_up = continued_us is not None and at_us - continued_us >= CATCH_UP_US
        self._stops_us[pid] = at_us if caught_up else stopped_us, None

    def _release(self, held: Held) -> None:
        with held.grip:
            self._strike(held.step, held.grip)

    def _strike(self, step: Step, held: Grip) -> None:
        numbers = {STOP_CONTINUE: signal.SIGCONT, TERM: signal.SIGTERM}
        number = numbers.get(step.action, signal.SIGKILL)
        if step.target == SUPERVISOR and step.action != STOP_CONTINUE:
            self._processes.note_semaphores()
        alive = self._processes.is_ours(held.pid)
        at_us = _now_us()
        sent = held.send(number)
        if sent and step.target == SUPERVISOR and number is not signal.SIGCONT:
            # Also of one whose environment cannot be read at this moment; that it ended otherwise would show in its code.
            self._expected.add(0 if number is signal.SIGTERM else -number)
        if not (sent and alive):
            self.skipped += 1
            return
        self.done[step.action, step.target] += 1
        self._note(step, held.pid, at_us, number)

    def _note(self, step: Step, pid: int, at_us: int, number: signal.Signals) -> None:
        if number is signal.SIGCONT:
            self._stops_us[pid] = self._stops_us[pid][0], at_us
        elif number is signal.SIGKILL and step.target.startswith(INGEST):
            self.killed.append(self.death(step.target, pid, at_us))

    def _kill_everything(self, step: Step) -> None:
        """The whole group in one call; then those that earlier supervisors left behind."""
        self._processes.note_semaphores()
        for role in filter(lambda role: role.startswith(INGEST), self._roles):
            self.killed += [self.death(role, pid, _now_us()) for pid in self._processes.of(role)]
        self._expected.add(-signal.SIGKILL)
        os.killpg(self._recorder.process.pid, signal.SIGKILL)
        self._recorder.process.wait(DEADLINE_SECS)
        end_all(self._processes)
        self.done[step.action, step.target] += 1


def _now_us() -> int:
    return time.time_ns() // 1_000
