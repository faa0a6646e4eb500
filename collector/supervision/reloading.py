"""A running recorder takes up newer settings, or gives way to a later program: one request after the other, each seen through.

A thread reads and checks settings, because a disk may stall. The supervisor's loop applies what came of it and looks, turn by
turn, whether every process that is concerned works by them. A supervisor that is killed meanwhile leaves nothing half
done: the next one begins with what the file says.
"""

from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

from msgspec.structs import replace

from collector import scrub
from collector.config import Config
from collector.config.handed_on import remove_configs
from collector.domain.clock import Clock, Every
from collector.domain.log import Log
from collector.reports import ArchiverReport
from collector.supervision.control import HANDOVER, Answer, Control, Request
from collector.supervision.handing_over import HandingOver
from collector.supervision.reload_outcome import NO_DOUBT, store_doubt, under_way
from collector.supervision.reload_plan import Current, Lack, Plan, Source, plan, refused
from collector.supervision.scribe import Scribe
from collector.supervision.signals import Signals
from collector.supervision.supervisor import Reports, Supervisor

SETTLE_SECS: Final = 30.0
"""How long to wait for the processes before the answer says who is still under way."""

CLEAN_SECS: Final = 5.0
"""How often the requests are looked through although the folder's time says that nobody has written there."""

TELL_SECS: Final = 5.0
"""How often whoever asked for a handover is told how far it is."""

CLOSE_SECS: Final = 1.0
_STOPPING: Final = "the recorder is stopping"
_HANDING_OVER: Final = "a later version is about to take over: ask again when it has, or has failed"
_BY_SIGNAL: Final = ""
"""In place of a request's id."""


class _Begun(NamedTuple):
    """A plan and whose request it answers; `deadline` once it is being applied."""

    request_id: str
    plan: Plan
    deadline: float | None = None


class _Asked(NamedTuple):
    """A handover and whose request it answers; `told` of its notes were said."""

    request_id: str
    request: Request
    is_begun: bool = False
    told: int = 0


class Reloading:
    """Looks for requests and signals, and sees each through. `look` is called about once a second and never waits."""

    def __init__(
        self, current: Current, source: Source | None, lack: Lack, follow: Callable[[Config], None], signals: Signals,
        clock: Clock, log: Log, handing: HandingOver,
    ) -> None:  # fmt: skip
        """`follow` is called with each configuration before the processes are."""
        self._handing = handing
        self._asked: _Asked | None = None
        self._tells = Every(TELL_SECS, clock.monotonic)
        self._current = current
        self._source = source
        self._lack = lack
        self._follow = follow
        self._signals = signals
        self._clock = clock
        self._log = log
        self._control = Control(current.config.data_dir)
        self._scribe = Scribe(log)
        self._is_busy = False
        """Whether the thread reads, checks or answers, or what it found waits for the next turn."""
        self._begun: _Begun | None = None
        self._seen: int | None = None
        self._clean_at = clock.monotonic()
        self._scribe.write("open", self._control.open)

    def look(self, supervisor: Supervisor, reports: Reports) -> None:
        """Take the next step."""
        begun = self._begun
        if self._asked is not None:
            self._hand_over(self._asked, supervisor, reports)
        elif begun is None:
            if supervisor.recording and not supervisor.stopping and not self._is_busy:
                self._look_for_requests()
        elif begun.deadline is None:
            self._act(begun, supervisor, reports)
        else:
            self._settle(begun, begun.deadline, supervisor, reports)

    def close(self) -> None:
        """Refuse what still waits, because the recorder ends; after a handover the later program finds it."""
        if not self._handing.is_done:
            self._scribe.write("close", self._refuse_all)
        self._scribe.finish(CLOSE_SECS)

    def _hand_over(self, asked: _Asked, supervisor: Supervisor, reports: Reports) -> None:
        handing = self._handing
        answer = handing.look(supervisor) if asked.is_begun else handing.begin(*asked[:2], supervisor, reports)
        if answer is not None:
            self._asked = None
            if not asked.is_begun:
                self._log.error("handover_refused", problems=answer.problems)
            self._scribe.write("work", partial(self._conclude, asked.request_id, answer))
            return
        self._asked = asked._replace(is_begun=True, told=len(handing.notes))
        if len(handing.notes) > asked.told or self._tells.due():
            self._scribe.write("tell", partial(self._tell, asked.request_id, handing.progress()))
            self._scribe.write("others", partial(self._refuse_others, asked.request_id))

    def _refuse_others(self, request_id: str) -> None:
        try:
            for other in self._control.waiting():
                if other != request_id:
                    self._control.answer(other, Answer(state="refused", problems=[_HANDING_OVER]))
        except OSError as error:
            self._log.warning("requests_unreadable", error=str(error))

    def _tell(self, request_id: str, answer: Answer) -> None:
        try:
            self._control.tell(request_id, answer)
        except OSError as error:
            self._log.warning("request_unanswered", error=str(error))

    def _look_for_requests(self) -> None:
        if self._signals.take_reload():
            self._is_busy = True
            self._scribe.write("work", partial(self._prepare, _BY_SIGNAL, Request()))
            return
        now, changed = self._clock.monotonic(), self._control.changed_at()
        if changed != self._seen or now >= self._clean_at:
            self._seen, self._clean_at, self._is_busy = changed, now + CLEAN_SECS, True
            self._scribe.write("work", self._take_request)

    def _take_request(self) -> None:
        found = None
        try:
            self._control.open()
            self._control.clean()
            found = self._control.next_request()
        except OSError as error:
            self._log.warning("requests_unreadable", error=str(error))
        if found is None:
            self._is_busy = False
        elif found[1] is not None and found[1].kind == HANDOVER:
            self._asked = _Asked(found[0], found[1])
            self._signals.wake()
        else:
            self._prepare(*found)

    def _prepare(self, request_id: str, request: Request | None) -> None:
        try:
            made = plan(request, self._source, self._current, self._lack)
        except Exception:  # noqa: BLE001 -- it must not end the recording, nor leave who asked without an answer
            self._log.exception("reload_failed")
            made = Plan(refused(Answer(state="refused"), "a fault of the recorder; its log has the trace"))
        self._begun = _Begun(request_id, made)
        self._signals.wake()

    def _act(self, begun: _Begun, supervisor: Supervisor, reports: Reports) -> None:
        answer, config, steps = begun.plan
        if supervisor.stopping:
            self._finish(begun, refused(answer, _STOPPING))
        elif config is None:
            self._finish(begun, answer)
        else:
            again = _waiting_for_store(reports) - steps.concerned
            steps = steps._replace(renew=(*steps.renew, *sorted(again)))
            self._current.config, self._current.number = config, answer.config_number
            scrub.know(config.secrets)
            self._follow(config)
            supervisor.reconfigure(config, answer.config_number, steps)
            answer = replace(answer, processes=steps.lines)
            self._begun = _Begun(begun.request_id, Plan(answer, config, steps), self._clock.monotonic() + SETTLE_SECS)

    def _settle(self, begun: _Begun, deadline: float, supervisor: Supervisor, reports: Reports) -> None:
        answer, steps = begun.plan.answer, begun.plan.steps
        still = under_way(steps, supervisor.children, reports, self._current.number)
        store = NO_DOUBT if still else store_doubt(self._current.config.archive_url, steps, reports)
        is_over = supervisor.stopping or self._clock.monotonic() >= deadline
        if (still or store.may_pass) and not is_over:
            return
        still += [_STOPPING] if supervisor.stopping else []
        warnings = [*answer.warnings, *filter(None, [store.text])]
        self._finish(begun, replace(answer, state="under_way" if still else "done", still=still, warnings=warnings))

    def _finish(self, begun: _Begun, answer: Answer) -> None:
        self._begun = None
        if answer.state == "refused":
            self._log.error("reload_refused", problems=answer.problems)
        elif not answer.dry_run:
            self._log.info(
                "reloaded", config_number=answer.config_number, changes=answer.changes, still=answer.still,
                warnings=answer.warnings,
            )  # fmt: skip
        self._scribe.write("work", partial(self._conclude, begun.request_id, answer))

    def _conclude(self, request_id: str, answer: Answer) -> None:
        if answer.state == "done" and not answer.dry_run:
            remove_configs(self._current.config.data_dir, self._current.number)
        try:
            if request_id != _BY_SIGNAL:
                self._control.answer(request_id, answer)
        except OSError as error:
            # Whoever asked gives up after a while; the log says what became of the request.
            self._log.warning("request_unanswered", error=str(error))
        self._seen, self._is_busy = None, False  # another request may wait

    def _refuse_all(self) -> None:
        while (found := self._control.next_request()) is not None:
            self._control.answer(found[0], Answer(state="refused", problems=[_STOPPING]))


def _waiting_for_store(reports: Reports) -> set[str]:
    """Who waits for a store that was away: a successor looks at it at once, and reads its credentials anew."""
    return {
        name for name, report in reports.items() if isinstance(report, ArchiverReport) and report.store_state != "there"
    }
