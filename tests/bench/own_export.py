"""What exporting costs the collector; tells it as the scripts in tests/peers do of their projects.

    python -m tests.bench.own_export LEVEL ARCHIVE FOLDER FORMAT OPTIONS...

Prints an object: `first_cpu_secs`, of the whole process until the first export is done; `again_cpu_secs`, of another one;
`bytes` of its files. LEVEL is how hard an npz is compressed: 0 not at all, empty as the collector does.
"""

import contextlib
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

from collector import cli
from collector.exports import event_file


def main(level: str, archive: str, folder: str, form: str, *options: str) -> None:
    """Export twice."""
    with patch.object(event_file, "_LEVEL", int(level) if level else event_file._LEVEL):
        spent = [_exported(archive, f"{folder}/{name}", form, options) for name in ("first", "again")]
    size = sum(file.stat().st_size for file in Path(folder, "again").rglob("*") if file.is_file())
    print(json.dumps({"first_cpu_secs": spent[0], "again_cpu_secs": spent[1] - spent[0], "bytes": size}))


def _exported(archive: str, folder: str, form: str, options: Sequence[str]) -> float:
    """Export; the CPU of the process until then."""
    with contextlib.redirect_stdout(sys.stderr):
        code = cli.main(["export", form, archive, folder, "--symbol", "BTCUSDT", *options])
    if code:
        sys.exit(code)
    return time.process_time()


if __name__ == "__main__":
    main(*sys.argv[1:])
