"""What a soak remembers of those it stops."""

import signal
from pathlib import Path

import pytest

from tests.soak.chaos import CATCH_UP_US, Chaos
from tests.soak.evidence import Killed
from tests.soak.network import Network
from tests.soak.plan import STOP_CONTINUE, Step
from tests.soak.watch import LogTail, Processes
from tests.whole.running import Recorder

SEC = 1_000_000
ROLE = "ingest:books"


@pytest.fixture
def chaos(tmp_path: Path) -> Chaos:
    log = LogTail(tmp_path / "log")
    return Chaos(
        Recorder(tmp_path, "ws://127.0.0.1:1"), Processes("nobody", log, tmp_path), log, [ROLE], Network(1), seed=1
    )


def goes_on(chaos: Chaos, pid: int, at_us: int) -> None:

    chaos._note(Step(0, STOP_CONTINUE, ROLE, 1), pid, at_us, signal.SIGCONT)


def test_a_process_never_stopped_ran_until_it_was_killed(chaos: Chaos) -> None:
    assert chaos.death(ROLE, 7, 50 * SEC) == Killed("books", 50 * SEC, 50 * SEC)


def test_a_stopped_process_ran_until_its_stop(chaos: Chaos) -> None:
    chaos._note_stop(7, 40 * SEC)
    assert chaos.death(ROLE, 7, 50 * SEC).ran_until_us == 40 * SEC


def test_a_process_stopped_twice_ran_until_the_first_stop(chaos: Chaos) -> None:
    chaos._note_stop(7, 40 * SEC)
    chaos._note_stop(7, 45 * SEC)
    assert chaos.death(ROLE, 7, 50 * SEC).ran_until_us == 40 * SEC


def test_a_resumed_process_has_caught_up_after_a_while(chaos: Chaos) -> None:
    chaos._note_stop(7, 40 * SEC)
    goes_on(chaos, 7, 41 * SEC)
    assert chaos.death(ROLE, 7, 41 * SEC + CATCH_UP_US - 1).ran_until_us == 40 * SEC
    assert chaos.death(ROLE, 7, 41 * SEC + CATCH_UP_US).ran_until_us == 41 * SEC + CATCH_UP_US
    chaos._note_stop(7, 60 * SEC)
    assert chaos.death(ROLE, 7, 70 * SEC).ran_until_us == 60 * SEC
