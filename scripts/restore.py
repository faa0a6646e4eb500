#!/usr/bin/env python3
"""Copies a period out of an archive into a folder, as `collector restore` does. `--help` says how."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))  # not every Python looks there: PYTHONSAFEPATH, -P, -I

import _bootstrap  # type: ignore[import-not-found]

if __name__ == "__main__":
    _bootstrap.run("restore")
