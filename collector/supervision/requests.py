"""Takes requests and signals that ask a running recorder to change, and sees one after the other through."""

from functools import partial
from typing import Final, NamedTuple

from collector.config.handed_on import remove_configs
from collector.domain.clock import Clock, Every
from collector.domain.log import Log
from collector.supervision.control import HANDOVER, RELOAD, Answer, Control, Request
from collector.supervision.handing_over import HandingOver
from collector.supervision.reload_plan import Current
from collector.supervision.reloading import STOPPING, Reloading
from collector.supervision.scribe import Scribe
from collector.supervision.signals import Signals
from collector.supervision.supervisor import Reports, Supervisor

CLEAN_SECS: Final = 5.0
"""How often the requests are looked through although the folder's time says that nobody has written there."""

TELL_SECS: Final = 5.0
"""How often whoever asked for a handover is told how far it is."""

CLOSE_SECS: Final = 1.0
_HANDING_OVER: Final = "a later version is about to take over: ask again when it has, or has failed"
_KILLED: Final = "the recorder that took the request ended before it answered: ask again"
_BY_SIGNAL: Final = ""
"""In place of a request's id."""


class _Asked(NamedTuple):
    """A handover and whose request it answers; `told` of its notes were said."""

    request_id: str
    request: Request
    is_begun: bool = False
    told: int = 0


class Requests:
    """`look` is called about once a second and never waits: a thread reads, checks and answers, because a disk may stall."""

    def __init__(
        self, current: Current, reloading: Reloading, handing: HandingOver, signals: Signals, clock: Clock, log: Log
    ) -> None:
        self._current = current
        self._reloading = reloading
        self._handing = handing
        self._signals = signals
        self._clock = clock
        self._log = log
        self._control = Control(current.config.data_dir)
        self._scribe = Scribe(log)
        self._is_busy = False
        """Whether the thread reads, checks or answers, or what it found waits for the next turn."""
        self._reload_for: str | None = None
        """Whose request for a reload is prepared, and not answered yet."""
        self._asked: _Asked | None = None
        self._tells = Every(TELL_SECS, clock.monotonic)
        self._seen: int | None = None
        self._clean_at = clock.monotonic()
        self._scribe.write("open", self._answer_for_another)

    def look(self, supervisor: Supervisor, reports: Reports) -> None:
        """Take the next step."""
        if self._asked is not None:
            self._hand_over(self._asked, supervisor, reports)
        elif self._reload_for is not None:
            self._reload(self._reload_for, supervisor, reports)
        elif supervisor.recording and not supervisor.stopping and not self._is_busy:
            self._look_for_requests()

    def close(self) -> None:
        """Refuse what still waits, because the recorder ends; after a handover the later program finds it."""
        if not self._handing.is_done:
            self._scribe.write("close", partial(self._refuse_all, STOPPING))
        self._scribe.finish(CLOSE_SECS)

    def _reload(self, request_id: str, supervisor: Supervisor, reports: Reports) -> None:
        answer = self._reloading.look(supervisor, reports)
        if answer is not None:
            self._reload_for = None
            self._scribe.write("work", partial(self._conclude, request_id, answer))

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
            self._scribe.write("others", partial(self._refuse_all, _HANDING_OVER))

    def _answer_for_another(self) -> None:
        """Answer whoever asked a recorder that was killed meanwhile. A handover is answered by the later program."""
        try:
            self._control.open()
            for request_id in self._control.taken(RELOAD):
                self._control.answer(request_id, Answer(state="refused", problems=[_KILLED]))
        except OSError as error:
            self._log.warning("request_unanswered", error=str(error))

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
            found = self._control.take()
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
        self._reloading.prepare(request)
        self._reload_for = request_id
        self._signals.wake()

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

    def _refuse_all(self, problem: str) -> None:
        try:
            while (found := self._control.take()) is not None:
                self._control.answer(found[0], Answer(state="refused", problems=[problem]))
        except OSError as error:
            self._log.warning("request_unanswered", error=str(error))
