"""Verifies that every object a manifest names is there, with its size and
checksum. Reads only.

Files in a folder are read whole. For a bucket the checksum is the one that the
server verified at the upload. With --deep every object is fetched, and its
rows, times, ids and columns are compared with its manifest.

Also reports objects that no manifest names, and segments whose predecessor is
missing. A segment that is being uploaded at this moment shows as orphans. What
was pruned is not missing: a line a day says how much that is. Of a tree of day
files it also compares the rows with those of the archive that it lies beside.

Exit code: 0 nothing found, 1 something found, 2 no archive could be read.
"""

import argparse
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from collector.domain.errors import StoreError
from collector.domain.redact import printable
from collector.storage.archive.day_check import row_findings
from collector.storage.archive.verify import KINDS, LEFTOVER, Finding, Read, Verification
from collector.storage.store.object_store import ObjectStore
from collector.tools.archive_args import STORE_HELP, add_config, archive_beside, opened, progress

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
    store = opened(arguments.store, arguments.config)
    return verify(store, deep=arguments.deep, replaced=lambda: archive_beside(store.url, arguments.config))


def verify(store: ObjectStore, *, deep: bool, replaced: Callable[[], ObjectStore | None] = lambda: None) -> int:
    """Verify and print; returns the exit code. `replaced` opens the archive whose day files the store has, if it has any.

    Raises StoreError for a store that cannot be read.
    """
    found = left = 0
    with _scratch(deep=deep) as scratch, progress() as bar:
        verification = Verification(store, _reader() if deep else None, Path(scratch) if scratch else None)
        task = bar.add_task("segments", total=None)
        for finding in verification.findings(
            lambda: bar.update(task, total=verification.manifests, completed=verification.looked_at)
        ):
            found += finding.kind != LEFTOVER
            left += finding.kind == LEFTOVER
            _print(finding)
        archive = replaced() if verification.has_day_files else None
        for finding in () if archive is None else row_findings(store, archive):
            found += 1
            _print(finding)
    if verification.segments == found == 0:
        raise StoreError(f"there is no archive at {store.url}")
    for date, objects in sorted(verification.pruned_objects.items()):
        print(f"pruned   {date}: {objects} objects with {verification.pruned_rows[date]} rows")
    if left:
        print(f"{left} pruned objects are still there: `collector prune` removes what it began to remove")
    if verification.superseded:
        print(
            f"{verification.superseded} day files of earlier generations: `collector compact --remove-superseded` removes them"
        )
    if archive is not None:
        print(f"compared with the rows of {archive.url}")
    elif verification.has_day_files:
        print(
            "not compared with the rows of the archive that they replace: it is not beside them, and --config does not name it"
        )
    print(
        f"{verification.segments} segments, {verification.objects} objects, {verification.rows} rows,"
        f" {verification.bytes} bytes verified; {found or 'nothing'} found"
    )
    return 1 if found else 0


def _print(finding: Finding) -> None:
    print(f"{finding.kind:8} {printable(finding.key)}: {printable(finding.text)}", flush=True)


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
