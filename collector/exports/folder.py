"""The folder of an export: it appears once it is whole."""

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pyarrow import csv

from collector.domain.errors import ConfigError
from collector.read.ledger.gaps import LedgerRow
from collector.read.ledger.ledger_table import ledger_table

GAPS_FILE = "gaps.csv"


@contextmanager
def new_folder(dest: Path) -> Iterator[Path]:
    """A folder beside `dest` to write to, which takes its place at the end; after an error nothing is left of it.

    Raises ConfigError if something is there already: an export overwrites nothing.
    """
    if dest.exists() and (not dest.is_dir() or any(dest.iterdir())):
        raise ConfigError([f"{dest} is there already: name a new or empty folder"])
    dest.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{dest.name}-", dir=dest.parent))
    try:
        yield folder
        folder.chmod(0o755)
        folder.rename(dest)
    except BaseException:
        shutil.rmtree(folder)
        raise


def write_gaps(folder: Path, gaps: Iterable[LedgerRow]) -> int:
    """Write the gaps, each once and by start, with the columns of the ledger; returns how many there are."""
    found = {row.gap.gap_id: row for row in gaps}
    ordered = sorted(found.values(), key=lambda row: (row.gap.started_at, row.gap.gap_id))
    csv.write_csv(ledger_table(ordered), folder / GAPS_FILE)
    return len(ordered)
