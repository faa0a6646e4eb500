"""Records crypto market data: exchange WebSockets in, exact typed Parquet out. `--help` says how."""

import signal

if __name__ == "__main__":
    # Until recording begins there is nothing to stop in order: Ctrl-C just ends it, without a trace of where it was.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import sys
from pathlib import Path

# Not every Python looks beside the program (PYTHONSAFEPATH, -P, -I), and PYTHONPATH may hold a namesake.
sys.path.insert(0, str(Path(__file__).resolve().parent))

from collector.supervision.commands.run import main

if __name__ == "__main__":
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # what a terminal cannot show ends nothing
    sys.exit(main())
