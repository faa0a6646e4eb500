"""An encoding that nobody names would be the locale's: that is an error in every process the tests start."""

import os
import subprocess
import sys

import pytest


def test_a_process_started_by_a_test_must_name_its_encodings() -> None:
    command = [sys.executable, "-c", "open('/dev/null')"]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 1
    assert "EncodingWarning" in done.stderr


@pytest.mark.skipif("CI" not in os.environ, reason="at a desk pytest may be started without scripts/test")
def test_the_tests_themselves_must_name_their_encodings() -> None:
    with pytest.raises(EncodingWarning):
        exec("open('/dev/null')")
