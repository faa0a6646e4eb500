#!/usr/bin/env python3
"""Shows the gap ledger of an archive or a recorder. `--help` says how."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))  # not every Python looks there: PYTHONSAFEPATH, -P, -I

import _bootstrap  # type: ignore[import-not-found]

from collector.tools.show_gaps import main

if __name__ == "__main__":
    _bootstrap.run(main)
