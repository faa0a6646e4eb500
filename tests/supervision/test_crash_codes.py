import signal

import pytest

from collector.supervision.crash_codes import is_own_fault


@pytest.mark.parametrize("exit_code", [1, -signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS, -signal.SIGILL])
def test_a_process_that_crashes_is_at_fault_itself(exit_code: int) -> None:
    assert is_own_fault(exit_code)


@pytest.mark.parametrize("exit_code", [0, 2, 7, -signal.SIGKILL, -signal.SIGTERM, -signal.SIGXCPU])
def test_one_that_leaves_or_is_killed_is_not(exit_code: int) -> None:
    assert not is_own_fault(exit_code)
