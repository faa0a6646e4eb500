"""The lines of a feed: each carries every plan, and streams that never spoke are tried at another address."""

import itertools
from collections.abc import Iterable, Mapping
from typing import Final

from collector.config import FeedConfig
from collector.domain.records import StreamKey
from collector.domain.redact import redact_url
from collector.domain.silence import Bounds
from collector.exchanges.adapter import ConnectionPlan
from collector.processes.ingest.carried_plan import CarriedPlan
from collector.processes.ingest.connection_trial import ConnectionTrial
from collector.processes.ingest.feed_context import FeedContext
from collector.processes.ingest.feed_plans import PlanChange
from collector.processes.ingest.first_data import MAX_NAMED
from collector.processes.ingest.line_reader import LineReader
from collector.processes.ingest.line_readers import LineReaders
from collector.processes.ingest.line_silence import LineSilence, TrialSchedule
from collector.reports import LineReport

QUIET_SECS: Final = 10.0
"""A connection that stands for so long without data is one of streams that are quiet."""


class FeedLines:
    """Starts the readers of a feed's lines and keeps them running. For the main thread."""

    def __init__(
        self,
        context: FeedContext,
        feed: FeedConfig,
        plans: Mapping[int, ConnectionPlan],
        silence_bounds: Bounds,
        readers: LineReaders,
    ) -> None:
        self._context = context
        self._feed = feed
        self._plans = {number: CarriedPlan(plan) for number, plan in plans.items()}
        self._silence_bounds = silence_bounds
        self._readers = readers
        self._silence: dict[int, dict[int, LineSilence]] = {plan_number: {} for plan_number in plans}
        """By plan and line."""
        self._elsewhere: dict[int, CarriedPlan] = {}
        """Plans at another address, for streams that never spoke."""
        self._quiet_since: dict[int, float] = {}
        """By plan since when a connection stands that has brought nothing."""
        self._ws_url = feed.ws_url
        self._known_times = self._trial_times()
        self._other_address_trials: list[tuple[int, ConnectionTrial]] = []
        """Connections on trial at another address, each with the plan whose streams never spoke."""

    @property
    def _apart_secs(self) -> float:
        """How far apart lines connect at first: where all are cut at the same age, one is back before the next is cut."""
        return 2 * self._context.config.reconnect_base_delay_secs

    def start_missing(self) -> list[tuple[int, int]]:
        """Start a reader for each line and plan that has none; returns those that had one before, as (line, plan)."""
        pairs = itertools.product(range(self._feed.lines), self._plans)
        missing = sorted(set(pairs).difference(self._readers.carried()), key=self._place)
        lost = [(line, plan_number) for line, plan_number in missing if line in self._silence[plan_number]]
        for line, plan_number in missing:
            carried, keys = self._plans[plan_number], self._keys(plan_number)
            state = LineReport(line=line, plan=plan_number, streams=len(keys))
            self._silence[plan_number][line] = self._start(carried, keys, state, delay_secs=line * self._apart_secs)
        return lost

    def _place(self, pair: tuple[int, int]) -> tuple[int, int, int]:
        """Sorts lines and plans as they are started: the first line of the widest plan first."""
        line, plan_number = pair
        return line, -len(self._keys(plan_number)), plan_number

    def take(self, feed: FeedConfig, silence_bounds: Bounds) -> None:
        """Go by these settings from now on; how many lines there are follows with `keep`."""
        self._feed, self._silence_bounds = feed, silence_bounds
        times = self._trial_times()
        if times != self._known_times:  # else what was tried in vain would be tried again at once
            self._known_times = times
            for silence in self._watches():
                silence.change_limits(silence_bounds, self._schedule())

    def keep(self) -> list[tuple[int, int]]:
        """To be called about once a second: what `start_missing` does, and what waited for a connection."""
        self._readers.renew_outdated()
        self._let_lines_go()
        return self.start_missing()

    def _let_lines_go(self) -> None:
        """End the lines above the wanted number, plan by plan, as soon as all others of the plan bring data."""
        surplus = [pair for pair in self._readers.carried() if pair[0] >= self._feed.lines and pair[1] in self._plans]
        for line, plan_number in sorted(surplus, reverse=True):
            if self._readers.bring_data(plan_number, range(self._feed.lines)):
                self._readers.dismiss(line, plan_number)
                if self._silence[plan_number].pop(line, None) is not None:
                    self._context.log.info("line_let_go", line=line, plan=plan_number)

    def change(self, change: PlanChange) -> None:
        """Connect what joins, and expect no more of what leaves.

        No open connection is touched, but for those of plans that get more streams or another address: what leaves is gone
        from the next one that is made anyway.
        """
        self._context.first_data.forget(change.left)
        for silence in self._watches():
            silence.stop_watching(change.left)
        for plan_number, narrow in change.narrowed.items():
            self._plans[plan_number].change(narrow, renew=False)
            if narrow is None:
                del self._plans[plan_number], self._silence[plan_number]
        for plan_number, plan in change.renewed.items():
            joined = [key for key in plan.keys if key not in self._keys(plan_number)]
            self._context.first_data.expect(plan_number, joined)
            for silence in self._silence[plan_number].values():
                silence.watch(joined, self._context.clock.monotonic())
            self._plans[plan_number].change(plan, renew=True)
        for plan in change.joined.values():
            plan_number = self._context.first_data.add(plan, second_try=False)
            self._plans[plan_number], self._silence[plan_number] = CarriedPlan(plan), {}
        self._change_elsewhere(change)
        self._readers.renew_outdated()
        self.start_missing()

    def _change_elsewhere(self, change: PlanChange) -> None:
        """Let what leaves also leave its other address, and let that follow another address of the feed."""
        ws_url, earlier = change.selection.ws_url, self._ws_url
        self._ws_url = ws_url
        for number, carried in list(self._elsewhere.items()):
            keys = () if carried.edition.plan is None else carried.edition.plan.keys
            kept = [key for key in keys if key not in change.left]
            if len(kept) == len(keys) and ws_url == earlier:
                continue
            plans = self._context.adapter.elsewhere(kept, ws_url) if kept else []
            plan = next((plan for plan in plans if set(plan.keys) == set(kept)), None)
            carried.change(plan, renew=ws_url != earlier)
            if plan is None:
                del self._elsewhere[number]

    def bring_all(self) -> bool:
        """Whether some line brings each plan as it stands now, as far as anything is sent."""
        now = self._context.clock.monotonic()
        stands = {plan_number: self._readers.stand(plan_number) for plan_number in self._plans}
        quiet = [plan_number for plan_number, speaks in stands.items() if speaks is False]
        self._quiet_since = {plan_number: self._quiet_since.get(plan_number, now) for plan_number in quiet}
        return all(speaks or self._is_quiet(plan_number, now) for plan_number, speaks in stands.items())

    def _is_quiet(self, plan_number: int, now: float) -> bool:
        """Whether a connection of the plan has stood for so long that it would have brought what is sent."""
        return now - self._quiet_since.get(plan_number, now) >= QUIET_SECS

    def unheard(self) -> list[StreamKey]:
        """The streams that some line has not brought yet."""
        return sorted(set().union(*(silence.unheard() for silence in self._watches())))

    def check_first_data(self, secs: float) -> None:
        """`secs` have passed: try streams that have never spoken at another address, once for each stream.

        A stream that comes from there is no longer watched for silence on its first plan.
        """
        self._keep_trials()
        for plan_number, keys in self._context.first_data.advance(secs):
            names = [f"{key.symbol} {key.data_type}" for key in keys[:MAX_NAMED]]
            is_first_try = self._context.first_data.is_first_try(plan_number)
            other_plans = self._context.adapter.elsewhere(keys, self._feed.ws_url) if is_first_try else []
            urls = [redact_url(plan.url) for plan in other_plans]
            self._context.log.warning(
                "stream_never_spoke", plan=plan_number, count=len(keys), streams=names, tried_at=urls
            )
            for other_plan in other_plans:
                self._try_other_address(plan_number, other_plan)

    def _keep_trials(self) -> None:
        trials = self._other_address_trials
        for plan_number, trial in trials:
            if trial.is_kept:
                for silence in self._silence.get(plan_number, {}).values():
                    silence.stop_watching(trial.wanted)
        self._other_address_trials = [(plan_number, trial) for plan_number, trial in trials if trial.is_pending]

    def _try_other_address(self, plan_number: int, other_plan: ConnectionPlan) -> None:
        # A line of its own: where both addresses bring a stream, one may lag behind the other.
        other_number = self._context.first_data.add(other_plan, second_try=True)
        state = LineReport(line=self._feed.lines, plan=other_number, streams=other_plan.streams)
        trial = ConnectionTrial(other_plan.keys)
        self._other_address_trials.append((plan_number, trial))
        self._elsewhere[other_number] = CarriedPlan(other_plan)
        self._start(self._elsewhere[other_number], other_plan.keys, state, trial)

    def _keys(self, plan_number: int) -> tuple[StreamKey, ...]:
        plan = self._plans[plan_number].edition.plan
        return () if plan is None else plan.keys

    def _start(
        self,
        carried: CarriedPlan,
        keys: Iterable[StreamKey],
        state: LineReport,
        trial: ConnectionTrial | None = None,
        delay_secs: float = 0.0,
    ) -> LineSilence:
        silence = LineSilence(keys, self._silence_bounds, self._schedule())
        self._readers.start(
            LineReader(
                self._context, carried, state, silence, self._readers.start, first_delay_secs=delay_secs, trial=trial
            )
        )
        return silence

    def _schedule(self) -> TrialSchedule:
        bounds, base_secs, urgent_secs = self._trial_times()
        return TrialSchedule(base_secs, urgent_secs, bounds.highest_secs, self._context.random)

    def _trial_times(self) -> tuple[Bounds, float, float]:
        config = self._context.config
        return self._silence_bounds, config.first_data_timeout_secs, config.reconnect_max_delay_secs

    def _watches(self) -> list[LineSilence]:
        return [silence for of_plan in self._silence.values() for silence in of_plan.values()]
