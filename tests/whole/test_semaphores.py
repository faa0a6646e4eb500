"""Where the system has no room for semaphores, the recorder says so in one line instead of trying for ever."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.whole.running import ROOT

SUPERVISOR = f"{sys.executable} {ROOT / 'supervisor.py'}"


def with_shm(mount: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Start the recorder where /dev/shm is another tmpfs, for it alone."""
    script = f"{mount} || exit 99; exec {SUPERVISOR} {' '.join(arguments)}"
    environment = {**os.environ, "COLLECTOR_HTTP__PORT": "0", "COLLECTOR_DATA_DIR": str(folder / "data")}
    environment["COLLECTOR_JOURNAL__MIN_FREE_BYTES"] = "1MiB"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script],
        env=environment, capture_output=True, text=True, encoding="utf-8", timeout=120, check=False,
    )  # fmt: skip
    if done.returncode == 99 or "unshare" in done.stderr:
        refuse = pytest.fail if os.environ.get("CI") else pytest.skip
        refuse(f"no tmpfs can be mounted here: {done.stderr.strip()}")
    return done


@pytest.mark.parametrize(
    ("mount", "reason"),
    [
        ("mount -t tmpfs -o ro tmpfs /dev/shm", "Read-only file system"),
        ("mount -t tmpfs -o size=40k tmpfs /dev/shm", "No space left on device"),
    ],
    ids=["read-only", "too small for all processes"],
)
def test_a_folder_that_takes_no_semaphores_is_named(tmp_path: Path, mount: str, reason: str) -> None:
    for arguments, code in ((["--check"], 2), (["--stop-after", "1"], 4)):
        done = with_shm(mount, tmp_path, *arguments)
        (line,) = done.stderr.splitlines()
        assert line.startswith(f"error: /dev/shm: cannot make the semaphores that the processes share: {reason}")
        assert done.returncode == code
        assert "process_not_started" not in done.stdout


def test_check_passes_if_all_semaphores_fit(tmp_path: Path) -> None:
    done = with_shm("mount -t tmpfs -o size=1m tmpfs /dev/shm", tmp_path, "--check")
    assert (done.returncode, done.stderr) == (0, "")
