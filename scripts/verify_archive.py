#!/usr/bin/env python3
"""Verifies that every object of an archive is there and whole, as `collector verify` does. `--help` says how."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))  # not every Python looks there: PYTHONSAFEPATH, -P, -I

import _bootstrap  # type: ignore[import-not-found]

if __name__ == "__main__":
    _bootstrap.run("verify")
