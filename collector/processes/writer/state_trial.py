"""Tries on a copy of the stored state what a program that raises its format does at its start.

From the first commit in a raised format on, the program before cannot go on with the data; so whatever of the upgrade can
fail is to fail before.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

from collector.processes.writer.state_upgrade import upgraded
from collector.processes.writer.stored_state import decode_feed, require_readable
from collector.processes.writer.streams import StreamTable
from collector.storage.regular_files import regular_files
from collector.storage.segment.open_segment import OpenSegment
from collector.storage.segment.seal import create_segment


def try_on_copy(data_dir: Path, new_table: Callable[[], StreamTable]) -> None:
    """Upgrade a copy of the open segment's state, store it, read it back and restore it. Raises whatever fails."""
    for path in regular_files(data_dir / "segments", "*.open.db"):
        found = OpenSegment(path)
        try:
            state, meta = upgraded(found.load()), found.meta
        finally:
            found.close()
        require_readable(state, path)
        with tempfile.TemporaryDirectory(dir=data_dir / "run") as folder:
            copy = Path(folder) / path.name
            create_segment(copy, meta, state.without_rows())
            _restore(OpenSegment(copy), new_table())


def _restore(segment: OpenSegment, streams: StreamTable) -> None:
    try:
        state = segment.load()
        require_readable(state, segment.path)
        streams.restore(state, segment.newest)
        for blob in state.feeds.values():
            decode_feed(blob)
    finally:
        segment.close()
