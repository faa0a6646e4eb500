"""What a soak says at its end: tables in Markdown, the problems, and one line."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from statistics import median
from typing import Final

from tests.soak.evidence import Problem
from tests.soak.judgement import Count, Judgement
from tests.soak.plan import ACTIONS, EVERYTHING, SUPERVISOR
from tests.soak.watch import Sample

SHOWN: Final = 5
"""Problems of one kind that are shown; the rest is counted."""

MOST_BYTES: Final = 250_000_000
"""What a process may use at most."""

MOST_GROWTH: Final = 3
"""How much more a supervisor may hold late in its life than early, in the median: threads begin when first needed."""

MOST_SEMAPHORES: Final = 150
"""How many more may exist late in the run than early: those of killed supervisors are there for a while."""

FEWEST_SAMPLES: Final = 2
"""Fewer than this of one supervisor say nothing about growth."""


@dataclass
class Outcome:
    """Everything a soak found."""

    about: str
    roles: Sequence[str]
    done: Mapping[tuple[str, str], int]
    outages: Mapping[str, int]
    """Of the network, by kind."""
    skipped: int
    exits: Mapping[int, int]
    starts: Mapping[str, int]
    peak_bytes: Mapping[str, int]
    samples: Sequence[Sample]
    semaphores: tuple[int, int]
    """Seen, and left behind."""
    events: Mapping[str, int]
    strays: int
    hung: tuple[int, int]
    """Children that the supervisor took for dead, and those of them that the soak had not stopped."""
    judgement: Judgement
    problems: list[Problem]

    @property
    def kills(self) -> int:
        """SIGKILLs."""
        return sum(count for (action, _), count in self.done.items() if "kill" in action)

    @property
    def passed(self) -> bool:
        """Whether there is no problem."""
        return not self.problems


def held(samples: Sequence[Sample]) -> tuple[list[Sample], list[Sample]]:
    """The first and the second half of every supervisor's samples, where it has enough of them."""
    early: list[Sample] = []
    late: list[Sample] = []
    for _, group in groupby(samples, key=lambda sample: sample.supervisor):
        life = list(group)
        if len(life) >= FEWEST_SAMPLES:
            early += life[: len(life) // 2]
            late += life[len(life) - len(life) // 2 :]
    return early, late


def usage_problems(samples: Sequence[Sample], peak_bytes: Mapping[str, int]) -> list[Problem]:
    """A supervisor that keeps something of each child that died, and processes that grow too large."""
    problems = [
        Problem("memory", f"{role} used {used / 1e6:.0f} MB")
        for role, used in peak_bytes.items()
        if used > MOST_BYTES
    ]  # fmt: skip
    problems += [
        Problem("zombie", f"supervisor {later.supervisor} does not reap {sorted(lasting)}")
        for earlier, later in pairwise(samples)
        if earlier.supervisor == later.supervisor and (lasting := earlier.zombies & later.zombies)
    ]
    early, late = held(samples)
    for name in ("fds", "threads"):
        before, after = _middle(early, name), _middle(late, name)
        if before is not None and after is not None and after - before > MOST_GROWTH:
            problems.append(Problem("leak", f"supervisors hold {before:g} {name} early in their lives, {after:g} late"))
    before, after = _semaphores(samples)
    if before is not None and after is not None and after - before > MOST_SEMAPHORES:
        problems.append(Problem("leak", f"{before:g} semaphores exist early in the run, {after:g} late"))
    return problems


def text(outcome: Outcome) -> str:
    """All of it."""
    problems = list(_shown(outcome.problems))
    return "\n".join([
        outcome.about, "",
        *_done_table(outcome), "",
        *_frames_table(outcome.judgement), "",
        *_gaps_table(outcome.judgement), "",
        *_process_table(outcome), "",
        *_other_table(outcome), "",
        *problems, *([""] if problems else []),
        verdict(outcome),
    ])  # fmt: skip


def verdict(outcome: Outcome) -> str:
    """One line."""
    total = _total(outcome.judgement.counts.values())
    said = (
        f"{outcome.kills} kills, {sum(outcome.outages.values())} outages, {total.sent:,} frames sent: {total.lost:,} lost, {total.duplicated:,} duplicated, "
        f"{total.covered:,} missing and covered by a gap row"
    )
    kinds = Counter(problem.kind for problem in outcome.problems)
    found = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    return f"PASS {said}" if outcome.passed else f"FAIL {said}; problems: {found}"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """A Markdown table; all columns but the first are numbers, to the right."""
    cells = [list(head), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    lines = ["| " + " | ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) + " |" for row in cells]
    rule = "|" + "|".join(["-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:])]) + "|"
    return [lines[0], rule, *lines[1:]]


def _cell(value: object) -> str:
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def _done_table(outcome: Outcome) -> list[str]:
    rows = [
        [target, *(outcome.done.get((action, target), 0) for action in ACTIONS)]
        for target in [*outcome.roles, SUPERVISOR, EVERYTHING]
    ]
    rows.append(["all", *(sum(row[column] for row in rows) for column in range(1, len(ACTIONS) + 1))])  # type: ignore[misc]
    return table(["done to", *ACTIONS], rows)


def _frames_table(judgement: Judgement) -> list[str]:
    by_type: dict[str, list[Count]] = {}
    for stream, count in judgement.counts.items():
        by_type.setdefault(stream.data_type, []).append(count)
    totals = [(name, _total(counts)) for name, counts in by_type.items()]
    totals.append(("all", _total(judgement.counts.values())))
    rows = [[name, one.sent, one.archived, one.covered, one.lost, one.duplicated] for name, one in totals]
    head = ["frames", "sent", "archived", "missing, covered", "missing, NOT covered", "duplicated"]
    return table(head, rows)


def _gaps_table(judgement: Judgement) -> list[str]:
    rows = [[f"{kind}, {cause}", count] for (kind, cause), count in sorted(judgement.gaps.items())]
    return table(["gap rows: kind, cause", "count"], rows)


def _process_table(outcome: Outcome) -> list[str]:
    starts = {**outcome.starts, SUPERVISOR: 1 + sum(outcome.exits.values())}
    rows = [
        [role, starts.get(role), f"{peak / 2**20:.0f} MiB"] for role, peak in sorted(outcome.peak_bytes.items())
    ]  # fmt: skip
    return table(["process", "starts", "peak RSS"], rows)


def _other_table(outcome: Outcome) -> list[str]:
    early, late = held(outcome.samples)
    exits = ", ".join(f"{code}: {count}" for code, count in sorted(outcome.exits.items())) or "none"
    judgement = outcome.judgement
    return table(["besides", "value"], [
        ["exit codes of the supervisor before the last", exits],
        ["steps that found their process gone", outcome.skipped],
        ["outages of the network", ", ".join(f"{kind}: {count}" for kind, count in outcome.outages.items()) or "none"],
        ["samples of supervisors with all their children", len(outcome.samples)],
        ["their fds, early / late in their lives, median", _pair(_middle(early, "fds"), _middle(late, "fds"))],
        ["their threads, early / late", _pair(_middle(early, "threads"), _middle(late, "threads"))],
        ["semaphores in /dev/shm, early / late in the run, median", _pair(*_semaphores(outcome.samples))],
        ["semaphores seen / left in /dev/shm", " / ".join(map(str, outcome.semaphores))],
        ["connections that lost their tail", judgement.tails],
        ["longest tail, frames", judgement.longest_tail_frames],
        ["longest tail of an ingest that ran, bytes", judgement.longest_tail_bytes],
        ["longest tail of one stopped or cut off, bytes", judgement.longest_stopped_tail_bytes],
        ["children taken for dead / that were not stopped", " / ".join(map(str, outcome.hung))],
        ["lines on stderr that are none of the log", outcome.strays],
        ["segments archived", outcome.events.get("segment_archived", 0)],
    ])  # fmt: skip


def _shown(problems: Sequence[Problem]) -> Iterable[str]:
    for kind, group in groupby(sorted(problems), key=lambda problem: problem.kind):
        texts = [problem.text for problem in group]
        yield f"{kind}: {len(texts)}"
        yield from (f"  {line}" for line in texts[:SHOWN])
        if len(texts) > SHOWN:
            yield f"  … and {len(texts) - SHOWN} more"


def _total(counts: Iterable[Count]) -> Count:
    total = Count()
    for one in counts:
        for name, value in vars(one).items():
            setattr(total, name, getattr(total, name) + value)
    return total


def _semaphores(samples: Sequence[Sample]) -> tuple[float | None, float | None]:
    """They outlive supervisors, so the halves are those of the whole run."""
    half = len(samples) // 2
    return _middle(samples[:half], "semaphores"), _middle(samples[half:], "semaphores")


def _pair(before: float | None, after: float | None) -> str:
    return "too few samples" if before is None or after is None else f"{before:g} / {after:g}"


def _middle(samples: Sequence[Sample], name: str) -> float | None:
    return median(getattr(sample, name) for sample in samples) if samples else None
