"""What a soak says at its end: one line a verdict, and the problems of those that failed."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from statistics import median
from typing import Any, Final

from tests.soak.evidence import Problem
from tests.soak.judgement import Count, Judgement
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
    """One line a verdict, the first problems of each that failed below it, and a line over all."""
    lines = [outcome.about]
    for name, kinds, figures in _verdicts(outcome):
        problems = [problem for problem in outcome.problems if problem.kind in kinds]
        lines += [f"{'FAIL' if problems else 'PASS'} {name}: {figures}", *_shown(problems)]
    return "\n".join([*lines, verdict(outcome)])


def verdict(outcome: Outcome) -> str:
    """One line."""
    total = _total(outcome.judgement.counts.values())
    figures = (
        f"{outcome.kills} kills, {sum(outcome.outages.values())} outages, {total.sent:,} frames sent: "
        f"{total.lost:,} lost, {total.duplicated:,} duplicated, {total.covered:,} missing and covered by a gap row"
    )
    kinds = Counter(problem.kind for problem in outcome.problems)
    found = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    return f"PASS {figures}" if outcome.passed else f"FAIL {figures}; problems: {found}"


def _verdicts(outcome: Outcome) -> Iterator[tuple[str, frozenset[str], str]]:
    """Name, kinds of problems and figures of each; every kind belongs to one."""
    judgement, samples = outcome.judgement, outcome.samples
    early, late = held(samples)
    peaks = ", ".join(f"{role} {peak / 2**20:.0f}" for role, peak in sorted(outcome.peak_bytes.items()))
    yield (
        "done",
        frozenset({"stuck", "failure"}),
        _pairs({f"{action} {target}": count for (action, target), count in outcome.done.items()})
        + f"; {outcome.skipped} found nobody; outages {_pairs(outcome.outages)}",
    )
    yield (
        "frames",
        frozenset({"lost", "duplicated", "invented", "order"}),
        "; ".join(
            f"{stream} {count.archived:,} of {count.sent:,}, {count.covered:,} covered"
            for stream, count in judgement.counts.items()
        ),
    )
    yield (
        "tails",
        frozenset({"tail"}),
        (
            f"{judgement.tails}, the longest {judgement.longest_tail_frames:,} frames; bytes {judgement.longest_tail_bytes:,}, "
            f"of one stopped or cut off {judgement.longest_stopped_tail_bytes:,}"
        ),
    )
    yield (
        "ledger",
        frozenset({"gap row", "sequence", "silence", "book"}),
        _pairs({f"{kind} {cause}": count for (kind, cause), count in judgement.gaps.items()}),
    )
    yield "archive", frozenset({"archive", "left"}), f"{outcome.events.get('segment_archived', 0):,} segments archived"
    yield (
        "processes",
        frozenset({"exit", "memory", "zombie", "leak"}),
        (
            f"starts {_pairs(outcome.starts)}; exit codes {_pairs(outcome.exits)}; peak MiB {peaks}; early, late: "
            f"fds {_pair(_middle(early, 'fds'), _middle(late, 'fds'))}, "
            f"threads {_pair(_middle(early, 'threads'), _middle(late, 'threads'))}, "
            f"semaphores {_pair(*_semaphores(samples))}; semaphores seen, left {outcome.semaphores}; "
            f"taken for dead, of these not stopped {outcome.hung}; {outcome.strays} stray lines on stderr"
        ),
    )


def _pairs(counts: Mapping[Any, int]) -> str:
    return ", ".join(f"{name}: {count:,}" for name, count in sorted(counts.items())) or "none"


def _shown(problems: Sequence[Problem]) -> Iterable[str]:
    for kind, group in groupby(sorted(problems), key=lambda problem: problem.kind):
        texts = [problem.text for problem in group]
        yield f"  {kind}: {len(texts)}"
        yield from (f"    {line}" for line in texts[:SHOWN])
        if len(texts) > SHOWN:
            yield f"    … and {len(texts) - SHOWN} more"


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
