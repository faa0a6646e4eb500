#!/usr/bin/env python3
"""Verifies an archive: every object that a manifest names is there, with its size and checksum. Reads only.

Also reports objects that no manifest names, and segments whose predecessor is missing. A segment that is uploaded at
this moment shows as orphans. Exit code: 0 all is well, 1 something was found, 2 there is no archive that could be read.
"""

import argparse
import sys
from pathlib import Path

import _bootstrap  # type: ignore[import-not-found]

from collector.domain.errors import ConfigError, StoreError
from collector.domain.redact import printable
from collector.storage.stores import open_store
from collector.storage.verify import KINDS, Verification

EXAMPLES = """examples:
  scripts/verify_archive.py data/archive
  scripts/verify_archive.py file:///mnt/archive
  scripts/verify_archive.py data/archive | grep ^hole      only the breaks in the chain of segments
"""


def main() -> int:
    """Print each finding on a line, then what was looked at."""
    arguments = _arguments()
    try:
        return verify(arguments.store)
    except (ConfigError, StoreError) as error:
        print(f"error: {printable(str(error))}", file=sys.stderr)
        return 2


def verify(store: str) -> int:
    """The exit code. Raises ConfigError for a URL no store speaks, StoreError for a store that cannot be read."""
    verification = Verification(open_store(store if "://" in store else Path(store).absolute().as_uri()))
    found = 0
    for finding in verification.findings():
        found += 1
        print(f"{finding.kind:8} {printable(finding.key)}: {printable(finding.text)}", flush=True)
    if verification.segments == found == 0:
        raise StoreError(f"there is no archive at {store}")
    print(
        f"{verification.segments} segments, {verification.objects} objects, {verification.rows} rows,"
        f" {verification.bytes} bytes verified; {found or 'nothing'} found"
    )
    return 1 if found else 0


def _arguments() -> argparse.Namespace:
    kinds = "\n".join(f"  {kind:8} {text}" for kind, text in KINDS.items())
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=f"findings:\n{kinds}\n\n{EXAMPLES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("store", metavar="STORE", help="archive folder or URL")
    return parser.parse_args()


if __name__ == "__main__":
    _bootstrap.run(main)
