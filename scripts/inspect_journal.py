#!/usr/bin/env python3
"""Shows what journal files hold, as `collector journal` does. `--help` says how."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))  # not every Python looks there: PYTHONSAFEPATH, -P, -I

import _bootstrap  # type: ignore[import-not-found]

if __name__ == "__main__":
    _bootstrap.run("journal")
