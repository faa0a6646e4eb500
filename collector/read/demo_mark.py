"""The mark that a demo leaves in its data directory: the streams whose messages its exchange leaves out on purpose.

Without it the gap ledger of a demo reads like that of an exchange, or a recorder, that fails.
"""

from pathlib import Path
from typing import Final

import msgspec

from collector.domain.errors import DamagedError
from collector.domain.records import StreamKey

FILE_NAME: Final = "demo.json"


class _Mark(msgspec.Struct):
    leaves_out: list[StreamKey]


def write_mark(data_dir: Path, streams: list[StreamKey]) -> None:
    """Mark a demo's data directory. Raises OSError."""
    (data_dir / FILE_NAME).write_bytes(msgspec.json.encode(_Mark(streams)) + b"\n")


def read_mark(data_dir: Path) -> frozenset[StreamKey]:
    """The streams with faults on purpose; none where there is no mark. Raises OSError, and DamagedError for another text."""
    try:
        content = (data_dir / FILE_NAME).read_bytes()
    except FileNotFoundError:
        return frozenset()
    try:
        return frozenset(msgspec.json.decode(content, type=_Mark).leaves_out)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DamagedError(f"not the mark of a demo: {error}") from error
