"""promtool, which comes with Prometheus: what Prometheus itself says of metrics and rules."""

import os
import shutil
import subprocess

import pytest


def promtool(*arguments: str, stdin: bytes = b"") -> tuple[int, str]:
    """Its exit code, and all it says; a skip where it is missing, in CI a failure, for CI installs it."""
    program = shutil.which("promtool")
    if program is None:
        refuse = pytest.fail if os.environ.get("CI") else pytest.skip
        refuse("promtool is not installed (Debian: apt-get install prometheus)")
    command = [program, *arguments]
    done = subprocess.run(
        command, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120, check=False
    )
    return done.returncode, done.stdout.decode()
