"""What reading again came to."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from collector.domain.records import StreamKey

MAX_REASONS: Final = 1_000
"""Reasons counted apart: they quote frames, so there is no end of them."""

OTHER_REASONS: Final = "for other reasons"


class Reason(NamedTuple):
    """Why frames of an exchange and symbol are still not understood."""

    exchange: str
    symbol: str
    text: str


@dataclass
class Counts:
    """Counts of rows; those by stream are of the rows as they are now."""

    frames: int = 0
    """Undecoded rows that were read again."""
    control: int = 0
    """Of those, frames that have no market data."""
    copies: int = 0
    """Messages in them that the archive has already."""
    decoded: Counter[StreamKey] = field(default_factory=Counter)
    """Rows that they became."""
    undecoded: Counter[Reason] = field(default_factory=Counter)
    """Those that are still not understood."""
    texts: Counter[StreamKey] = field(default_factory=Counter)
    """Rows with their text, which were read again."""
    changed: Counter[StreamKey] = field(default_factory=Counter)
    """Of those, rows of which this version reads something else."""
    unread: Counter[StreamKey] = field(default_factory=Counter)
    """Of those, rows that this version cannot read; they stay as they were."""
    converted: Counter[StreamKey] = field(default_factory=Counter)
    """Rows of files that had the columns of an older version."""

    def add(self, other: "Counts") -> None:
        """Add what was counted elsewhere."""
        self.frames += other.frames
        self.control += other.control
        self.copies += other.copies
        for reason, count in other.undecoded.items():
            self.note_undecoded(reason, count)
        for name in ("decoded", "texts", "changed", "unread", "converted"):
            getattr(self, name).update(getattr(other, name))

    def note_undecoded(self, reason: Reason, count: int = 1) -> None:
        """Count frames that are still not understood."""
        if reason not in self.undecoded and len(self.undecoded) >= MAX_REASONS:
            reason = reason._replace(text=OTHER_REASONS)
        self.undecoded[reason] += count

    def streams(self) -> list[StreamKey]:
        """Every stream of which anything was counted, by name."""
        counted = (self.decoded, self.texts, self.changed, self.unread, self.converted)
        return sorted({stream for counter in counted for stream in +counter})
