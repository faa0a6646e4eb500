"""`scripts/collector` is the command of a checkout in which nothing was installed by name."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_SECS = 60.0


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose .venv has the packages, but not the collector."""
    checkout = tmp_path / "checkout"
    (checkout / "scripts").mkdir(parents=True)
    for name in ("collector", "_venv.sh"):
        shutil.copy2(ROOT / "scripts" / name, checkout / "scripts" / name)
    (checkout / "collector").symlink_to(ROOT / "collector")
    (checkout / "requirements.txt").touch()
    python = checkout / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', "utf-8")
    python.chmod(0o755)
    (checkout / ".venv" / "installed-requirements.txt").touch()
    return checkout


@pytest.mark.parametrize("command", ["symbols", "prune"])
def test_a_checkout_runs_every_command_from_any_folder(checkout: Path, tmp_path: Path, command: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "collector").mkdir(parents=True)  # a namesake is not taken for the package
    shown = subprocess.run(
        [checkout / "scripts" / "collector", command, "--help"],
        cwd=elsewhere, capture_output=True, text=True, timeout=DEADLINE_SECS, check=False, encoding="utf-8",
    )  # fmt: skip
    assert (shown.returncode, shown.stderr) == (0, "")
    assert f"usage: collector {command}" in shown.stdout


def test_a_failing_commands_exit_code_is_passed_on(checkout: Path, tmp_path: Path) -> None:
    asked = subprocess.run(
        [checkout / "scripts" / "collector", "symbols", "nowhere"],
        cwd=tmp_path, capture_output=True, text=True, timeout=DEADLINE_SECS, check=False, encoding="utf-8",
    )  # fmt: skip
    assert asked.returncode == 2
    assert asked.stderr.startswith("error: exchange = 'nowhere': is unknown")
