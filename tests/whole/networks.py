"""How the recorder reaches its exchange: names of one's own."""

import os
import subprocess
from pathlib import Path

import pytest


def with_hosts(path: Path, hosts: str) -> list[str]:
    """A command that runs another with this as /etc/hosts, in a mount namespace of its own."""
    path.write_text(hosts, "utf-8")
    command = ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', str(path)]
    tried = subprocess.run([*command, "true"], capture_output=True, text=True, check=False, encoding="utf-8")
    if tried.returncode:
        refuse = pytest.fail if os.environ.get("CI") else pytest.skip
        refuse(f"no hosts file of one's own can be mounted here: {tried.stderr.strip()}")
    return command
