"""Processes killed and stopped at random: the short version of `scripts/soak.py`."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.soak import report, run
from tests.soak.plan import EVERYTHING, SUPERVISOR
from tests.whole.running import ROOT

KILLS = 60
SPARE = 15
"""Some processes are gone when their turn comes."""


@pytest.mark.timeout(600)
def test_sixty_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    options = run.Options(folder=tmp_path, secs=100, kills=KILLS + SPARE, seed=1, rate=100)
    outcome = run.run(options, lambda _: None)
    assert outcome.passed, f"{tmp_path}\n{report.text(outcome)}"
    assert outcome.kills >= KILLS, report.text(outcome)
    for target in [*outcome.roles, SUPERVISOR, EVERYTHING]:
        assert outcome.done["kill", target], report.text(outcome)
    assert outcome.judgement.gaps, "nothing was missing: the run shows too little"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--minutes", "0", "--seed", "1"], "0 is not above 0"),
        (["--minutes", "1"], "--seed"),
        (["--minutes", "1", "--seed", "1", "--replay", "nowhere.jsonl"], "no file nowhere.jsonl"),
        (["--minutes", "1", "--seed", "1", "--keep", "."], "is not empty"),
    ],
)
def test_a_soak_that_cannot_begin_says_why(arguments: list[str], said: str) -> None:
    command = [sys.executable, str(ROOT / "scripts/soak.py"), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False, encoding="utf-8")
    assert done.returncode == 2
    assert said in done.stderr
