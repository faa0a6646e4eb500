"""Verifies an archive: every object that a manifest names is there, with its size and checksum. Reads only.

A folder's files are read whole for that; of a bucket's objects the server tells the checksum it compared when they came.
With --deep every object is fetched and read, and its rows, times, ids and columns are held against its manifest.

Also reports objects that no manifest names, and segments whose predecessor is missing. A segment that is uploaded at
this moment shows as orphans. Exit code: 0 all is well, 1 something was found, 2 there is no archive that could be read.
"""

import argparse
import sys
import tempfile
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from collector.domain.errors import ConfigError, StoreError
from collector.domain.redact import printable
from collector.storage.archive.verify import KINDS, Read, Verification
from collector.storage.store.object_store import ObjectStore
from collector.tools.archive_args import STORE_HELP, add_config, opened, progress

EXAMPLES = """examples:
  scripts/verify_archive.py data/archive
  scripts/verify_archive.py s3://bucket/prefix --deep
  scripts/verify_archive.py --config collector.toml        the archive that the recorder of this file writes
  scripts/verify_archive.py data/archive | grep ^hole      only the breaks in the chain of segments
"""


def main() -> int:
    """Print each finding on a line, then what was looked at."""
    arguments = _arguments()
    try:
        return verify(opened(arguments.store, arguments.config), deep=arguments.deep)
    except (ConfigError, StoreError) as error:
        for line in str(error).splitlines():
            print(f"error: {printable(line)}", file=sys.stderr)
        return 2


def verify(store: ObjectStore, *, deep: bool) -> int:
    """The exit code. Raises StoreError for a store that cannot be read."""
    found = 0
    with _scratch(deep=deep) as scratch, progress() as bar:
        verification = Verification(store, _reader() if deep else None, Path(scratch) if scratch else None)
        task = bar.add_task("segments", total=None)
        for finding in verification.findings(
            lambda: bar.update(task, total=verification.manifests, completed=verification.looked_at)
        ):
            found += 1
            print(f"{finding.kind:8} {printable(finding.key)}: {printable(finding.text)}", flush=True)
    if verification.segments == found == 0:
        raise StoreError(f"there is no archive at {store.url}")
    print(
        f"{verification.segments} segments, {verification.objects} objects, {verification.rows} rows,"
        f" {verification.bytes} bytes verified; {found or 'nothing'} found"
    )
    return 1 if found else 0


def _scratch(*, deep: bool) -> AbstractContextManager[str | None]:
    if not deep:
        return nullcontext()
    return tempfile.TemporaryDirectory(prefix="verify-archive-", ignore_cleanup_errors=True)


def _reader() -> Read:
    from collector.storage.archive.object_check import differences  # noqa: PLC0415 -- pyarrow, for a deep look only

    return differences


def _arguments() -> argparse.Namespace:
    kinds = "\n".join(f"  {kind:8} {text}" for kind, text in KINDS.items())
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=f"findings:\n{kinds}\n\n{EXAMPLES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("store", metavar="STORE", nargs="?", help=f"{STORE_HELP}; default: what the configuration says")
    parser.add_argument("--deep", action="store_true", help="fetch and read every object")
    add_config(parser)
    return parser.parse_args()
