"""The stored formats and the newest version of each that this program reads, and writes."""

from collections.abc import Mapping
from typing import Final

from collector.storage.journal.format import VERSION as JOURNAL_VERSION
from collector.storage.segment.file_format import SEGMENT_VERSION, STATE_VERSION
from collector.storage.segment.positions_file import VERSION as POSITIONS_VERSION

FORMATS: Final[Mapping[str, int]] = {
    "journal": JOURNAL_VERSION,
    "segment": SEGMENT_VERSION,
    "state": STATE_VERSION,
    "positions": POSITIONS_VERSION,
}
