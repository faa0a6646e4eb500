"""A running recorder takes up newer settings.

A thread reads and checks them, because a disk may stall. The supervisor's loop applies what came of it and looks, turn by
turn, whether every process that is concerned works by them. A supervisor that is killed meanwhile leaves nothing half
done: the next one begins with what the file says.
"""

from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from collector import scrub
from collector.config import Config
from collector.domain.clock import Clock
from collector.domain.log import Log
from collector.reports import ArchiverReport
from collector.supervision.control import Answer, Request
from collector.supervision.reload_outcome import NO_DOUBT, store_doubt, under_way
from collector.supervision.reload_plan import Current, Lack, Plan, Source, plan, refused
from collector.supervision.supervisor import Reports, Supervisor

SETTLE_SECS: Final = 30.0
"""How long to wait for the processes before the answer says who is still under way."""

STOPPING: Final = "the recorder is stopping"


class Reloading:
    """One reload after the other: `prepare`, in any thread, then `look`, in the supervisor's, until that returns the answer."""

    def __init__(
        self,
        current: Current,
        source: Source | None,
        lack: Lack,
        follow: Callable[[Config], None],
        clock: Clock,
        log: Log,
    ) -> None:
        """`follow` is called with each configuration before the processes are."""
        self._current = current
        self._source = source
        self._lack = lack
        self._follow = follow
        self._clock = clock
        self._log = log
        self._made: Plan | None = None
        self._deadline: float | None = None
        """Of what is being applied."""

    def prepare(self, request: Request | None) -> None:
        """Read and check the settings; None in place of a request that cannot be read."""
        try:
            self._made = plan(request, self._source, self._current, self._lack)
        except Exception:  # noqa: BLE001 -- it must not end the recording, nor leave who asked without an answer
            self._log.exception("reload_failed")
            self._made = Plan(refused(Answer(state="refused"), "a fault of the recorder; its log has the trace"))

    def look(self, supervisor: Supervisor, reports: Reports) -> Answer | None:
        """Take the next step of what is prepared; returns the answer with the last one."""
        made = self._made
        if made is None:
            return None
        if self._deadline is None:
            answer = self._act(made, supervisor, reports)
        else:
            answer = self._settle(made, self._deadline, supervisor, reports)
        if answer is not None:
            self._made = self._deadline = None
            self._note(answer)
        return answer

    def _act(self, made: Plan, supervisor: Supervisor, reports: Reports) -> Answer | None:
        answer, config, steps = made
        if supervisor.stopping:
            return refused(answer, STOPPING)
        if config is None:
            return answer
        again = _waiting_for_store(reports) - steps.concerned
        steps = steps._replace(renew=(*steps.renew, *sorted(again)))
        self._current.config, self._current.number = config, answer.config_number
        scrub.know(config.secrets)
        self._follow(config)
        supervisor.reconfigure(config, answer.config_number, steps)
        answer = replace(answer, processes=steps.lines)
        self._made, self._deadline = Plan(answer, config, steps), self._clock.monotonic() + SETTLE_SECS
        return None

    def _settle(self, made: Plan, deadline: float, supervisor: Supervisor, reports: Reports) -> Answer | None:
        answer, steps = made.answer, made.steps
        still = under_way(steps, supervisor.children, reports, self._current.number)
        store = NO_DOUBT if still else store_doubt(self._current.config.archive_url, steps, reports)
        is_over = supervisor.stopping or self._clock.monotonic() >= deadline
        if (still or store.may_pass) and not is_over:
            return None
        still += [STOPPING] if supervisor.stopping else []
        warnings = [*answer.warnings, *filter(None, [store.text])]
        return replace(answer, state="under_way" if still else "done", still=still, warnings=warnings)

    def _note(self, answer: Answer) -> None:
        if answer.state == "refused":
            self._log.error("reload_refused", problems=answer.problems)
        elif not answer.dry_run:
            self._log.info(
                "reloaded", config_number=answer.config_number, changes=answer.changes, still=answer.still,
                warnings=answer.warnings,
            )  # fmt: skip


def _waiting_for_store(reports: Reports) -> set[str]:
    """Who waits for a store that was away: a successor looks at it at once, and reads its credentials anew."""
    return {
        name for name, report in reports.items() if isinstance(report, ArchiverReport) and report.store_state != "there"
    }
