"""Records crypto market data, as `collector run` does. `--help` says how."""

import signal

if __name__ == "__main__":
    # Until recording begins there is nothing to stop in order: Ctrl-C just ends it, without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import sys
from pathlib import Path

# Not every Python looks beside the program (PYTHONSAFEPATH, -P, -I), and PYTHONPATH may hold a namesake.
sys.path.insert(0, str(Path(__file__).resolve().parent))

from collector.cli import run_command
from collector.tools.ending import prepare_output

if __name__ == "__main__":
    prepare_output()
    sys.exit(run_command("run", "supervisor.py"))
