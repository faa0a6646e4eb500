"""The recorder with one more row in the table of roles. As the main module it is imported by every spawned process too."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from collector.processes import roles

roles.ROLES += (
    roles.Role(
        name="toy",
        module="tests.whole.toy_process",
        stage=3,
        folder="toy",
        inputs=(roles.Input("writer", "sealed", "sealed segments"),),
    ),
)

if __name__ == "__main__":
    from collector.cli import run_command

    sys.exit(run_command("run", "supervisor.py"))
