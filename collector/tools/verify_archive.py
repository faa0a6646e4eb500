"""Verifies that every object a manifest names is there, with its size and
checksum. Reads only.

Files in a folder are read whole. For a bucket the checksum is the one that the
server verified at the upload. With --deep every object is fetched, and its
rows, times, ids and columns are compared with its manifest.

Also reports objects that no manifest names, and segments whose predecessor is
missing. A segment that is being uploaded at this moment shows as orphans. What
was pruned is not missing: a line a day says how much that is.

Exit code: 0 nothing found, 1 something found, 2 no archive could be read.
"""

import argparse
import tempfile
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from collector.domain.errors import StoreError
from collector.domain.redact import printable
from collector.storage.archive.verify import KINDS, LEFTOVER, Read, Verification
from collector.storage.store.object_store import ObjectStore
from collector.tools.archive_args import STORE_HELP, add_config, opened, progress

_KINDS = "\n".join(f"  {kind:8} {text}" for kind, text in KINDS.items())
EXAMPLES = f"""findings:
{_KINDS}

examples:
  %(prog)s data/archive
  %(prog)s s3://bucket/prefix --deep
  %(prog)s --config collector.toml        the archive that the recorder of this file writes
  %(prog)s data/archive | grep ^hole      only the breaks in the chain of segments
"""


def run(arguments: argparse.Namespace) -> int:
    """Print each finding on a line, then the totals; returns the exit code. Raises ConfigError or StoreError."""
    return verify(opened(arguments.store, arguments.config), deep=arguments.deep)


def verify(store: ObjectStore, *, deep: bool) -> int:
    """Verify and print; returns the exit code. Raises StoreError for a store that cannot be read."""
    found = left = 0
    with _scratch(deep=deep) as scratch, progress() as bar:
        verification = Verification(store, _reader() if deep else None, Path(scratch) if scratch else None)
        task = bar.add_task("segments", total=None)
        for finding in verification.findings(
            lambda: bar.update(task, total=verification.manifests, completed=verification.looked_at)
        ):
            found += finding.kind != LEFTOVER
            left += finding.kind == LEFTOVER
            print(f"{finding.kind:8} {printable(finding.key)}: {printable(finding.text)}", flush=True)
    if verification.segments == found == 0:
        raise StoreError(f"there is no archive at {store.url}")
    for date, objects in sorted(verification.pruned_objects.items()):
        print(f"pruned   {date}: {objects} objects with {verification.pruned_rows[date]} rows")
    if left:
        print(f"{left} pruned objects are still there: `collector prune` removes what it began to remove")
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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument("store", metavar="STORE", nargs="?", help=f"{STORE_HELP}; default: the configuration's")
    parser.add_argument("--deep", action="store_true", help="fetch and read every object")
    add_config(parser)
