"""What others see of the recorder, and where they reach it: status, requests, the service manager."""

import os
import signal
from collections.abc import Mapping
from contextlib import ExitStack

import msgspec
from msgspec.structs import replace

from collector.config.handed_on import remove_configs
from collector.monitoring.handed_counts import take_counts
from collector.monitoring.totals import Totals
from collector.processes.context import SystemClock
from collector.processes.roles import report_of
from collector.processes.stats_place import BESIDE
from collector.supervision.control import Answer, Control
from collector.supervision.handing_over import HandingOver
from collector.supervision.handover_link import Gone
from collector.supervision.life import Run
from collector.supervision.reloading import Reloading
from collector.supervision.reporting import Reporting, reports_in
from collector.supervision.requests import Requests
from collector.supervision.service import Service
from collector.supervision.succession import Succession
from collector.supervision.supervisor import Reports, Supervisor
from collector.supervision.takeover import keep_lock, take_place


class Faces:
    """Looks at the children's reports. A program that takes over from another one is seen once that one has left."""

    def __init__(self, run: Run, handing: HandingOver, stack: ExitStack) -> None:
        """They close with `stack`."""
        self._run = run
        self._handing = handing
        self._stack = stack
        self._shown = None if run.succession is not None else _Shown(run, handing, stack, None)

    def read_reports(self) -> tuple[Reports, Mapping[str, int]]:
        """The children's newest reports, and when each was written."""
        if self._shown is None:
            return reports_in(self._run.current.config.data_dir / BESIDE)
        return self._shown.reporting.read_reports()

    def look(self, supervisor: Supervisor, reports: Reports) -> None:
        """Show the newest reports, and see to requests; or take the next step of a handover."""
        if self._shown is not None:
            self._shown.look(supervisor, reports)
        elif (succession := self._run.succession) is not None:
            succession.look(supervisor, reports)
            if succession.gone is not None:
                self._take_place(succession, succession.gone)

    def _take_place(self, succession: Succession, gone: Gone) -> None:
        run = self._run
        take_place(run.lock, run.current.config.data_dir)
        self._shown = _Shown(run, self._handing, self._stack, _handed_counts(run))
        remove_configs(run.current.config.data_dir, run.current.number)
        _answer(run, succession, gone)
        if gone.stop and not run.signals.is_noted:
            run.signals.note(signal.SIGTERM)


class _Shown:
    """The recorder as it is seen from the moment this is made."""

    def __init__(self, run: Run, handing: HandingOver, stack: ExitStack, counts: Totals | None) -> None:
        self._run = run
        self._service = Service.of(os.environ, run.log, after_handover=run.succession is not None)
        self.reporting = reporting = Reporting(run.current.config, run.run_id, run.log, run.display, counts)
        stack.callback(lambda: reporting.close(handed_on=handing.is_under_way))
        handing.follow = reporting.read_beside
        clock = SystemClock()
        reloading = Reloading(run.current, run.source, run.lack, reporting.reconfigure, clock, run.log)
        self._requests = Requests(run.current, reloading, handing, run.signals, clock, run.log)
        stack.callback(self._requests.close)

    def look(self, supervisor: Supervisor, reports: Reports) -> None:
        keep_lock(self._run.lock, self._run.log)
        self._service.tell(ready=supervisor.recording, stopping=supervisor.stopping)
        self._requests.look(supervisor, reports)
        self.reporting.look(supervisor, reports)


def _answer(run: Run, succession: Succession, gone: Gone) -> None:
    """Tell whoever asked for the handover that it is done."""
    answer = Answer(state="done", config_number=run.current.number, notes=gone.notes, pid=os.getpid())
    if gone.stop:
        answer = replace(answer, state="refused", problems=["the recorder was told to stop meanwhile"])
    try:
        Control(run.current.config.data_dir).answer(succession.request_id, answer)
    except OSError as error:
        run.log.warning("request_unanswered", error=str(error))


def _handed_counts(run: Run) -> Totals | None:
    try:
        return take_counts(run.current.config.data_dir, report_of)
    except (OSError, msgspec.MsgspecError) as error:
        run.log.warning("counts_begin_anew", error=str(error))
        return None
