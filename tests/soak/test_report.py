"""What a soak says at its end."""

import re
from dataclasses import replace
from pathlib import Path

from tests.soak import report
from tests.soak.evidence import Problem, Stream
from tests.soak.judgement import Count, Judgement
from tests.soak.plan import KILL, SUPERVISOR, TERM
from tests.soak.report import SHOWN, Outcome, text, usage_problems, verdict
from tests.soak.watch import Sample

JUDGEMENT = Judgement({Stream("A", "trade"): Count(sent=1_200, archived=1_190, covered=10)})
OUTCOME = Outcome(
    about="a run", roles=["writer"], done={(KILL, "writer"): 3, (KILL, SUPERVISOR): 1, (TERM, "writer"): 2}, skipped=0, outages={},
    exits={-9: 1}, starts={"writer": 4}, peak_bytes={"writer": 50 << 20}, samples=[], semaphores=(44, 0),
    events={"segment_archived": 7}, strays=0, hung=(0, 0), judgement=JUDGEMENT, problems=[],
)  # fmt: skip


def life(supervisor: int, *fds: int) -> list[Sample]:
    return [Sample(supervisor, starts, number, 3, 44, frozenset()) for starts, number in enumerate(fds)]


def test_the_verdict_is_one_line_with_the_counts() -> None:
    assert verdict(OUTCOME) == (
        "PASS 4 kills, 0 outages, 1,200 frames sent: 0 lost, 0 duplicated, 10 missing and covered by a gap row"
    )
    failed = replace(OUTCOME, problems=[Problem("lost", "x"), Problem("tail", "y"), Problem("lost", "z")])
    assert verdict(failed).startswith("FAIL 4 kills, 0 outages")
    assert verdict(failed).endswith("problems: 2 lost, 1 tail")


def test_each_verdict_is_a_line_with_its_first_problems_below() -> None:
    problems = [Problem("lost", f"frame {number}") for number in range(SHOWN + 3)]
    lines = text(replace(OUTCOME, problems=problems)).splitlines()
    frames = next(number for number, line in enumerate(lines) if line.startswith("FAIL frames: A trade 1,190 of 1,200"))
    assert lines[frames + 1] == f"  lost: {SHOWN + 3}"
    assert sum(line.startswith("    frame") for line in lines) == SHOWN
    assert "    … and 3 more" in lines
    assert sum(line.startswith("PASS") for line in lines) == 5


def test_every_kind_of_problem_fails_one_verdict() -> None:
    sources = [path for path in Path(report.__file__).parent.glob("*.py") if not path.name.startswith("test_")]
    kinds = {kind for path in sources for kind in re.findall(r'Problem\(\s*"([a-z ]+)"', path.read_text("utf-8"))}
    assert "lost" in kinds
    for kind in kinds:
        failed = text(replace(OUTCOME, problems=[Problem(kind, "")])).splitlines()
        assert sum(line.startswith("FAIL") for line in failed) == 2, kind  # its own, and the one over all


def test_a_supervisor_that_grows_with_each_child_leaks() -> None:
    flat = life(1, 30, 31, 30, 31, 30, 31) + life(2, 30, 30, 31, 30)
    assert usage_problems(flat, {}) == []
    rising = life(1, 30, 31, 32, 33, 34, 35, 36, 37)
    assert [problem.kind for problem in usage_problems(rising, {})] == ["leak"]


def test_too_few_samples_of_a_supervisor_prove_no_leak() -> None:
    assert usage_problems(life(1, 30) + life(2, 40) + life(3, 50), {}) == []


def test_semaphores_that_outlive_their_supervisors_leak() -> None:
    def run(*counts: int) -> list[Sample]:
        return [Sample(pid, 4, 30, 3, count, frozenset()) for pid, count in enumerate(counts)]

    assert usage_problems(run(44, 88, 132, 176), {}) == []
    assert [problem.kind for problem in usage_problems(run(44, 88, 300, 344), {})] == ["leak"]


def test_a_zombie_is_a_problem_only_if_it_lasts() -> None:
    def seen(supervisor: int, *zombies: int) -> Sample:
        return Sample(supervisor, 4, 30, 3, 44, frozenset(zombies))

    assert usage_problems([seen(1, 70), seen(1, 71), seen(1), seen(1, 72), seen(2, 72)], {}) == []
    assert [problem.kind for problem in usage_problems([seen(1, 70), seen(1, 70, 71)], {})] == ["zombie"]


def test_too_much_memory_is_a_problem() -> None:
    assert [problem.kind for problem in usage_problems([], {"writer": 300_000_000})] == ["memory"]
