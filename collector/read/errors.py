"""What a question to the archive may be answered with instead of rows."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from collector.domain.errors import CollectorError
from collector.domain.names import iso_time

if TYPE_CHECKING:
    from collector.read.ledger.gaps import LedgerRow

_WAYS_ON = (
    'Three ways on: gaps="mark" adds a column that names the gap before a row, gaps="split" numbers the pieces between gaps,'
    ' gaps="ignore" reads across them.'
)
_NAMED = 3
"""Gaps that an error names; it counts the others."""


class QuestionError(CollectorError, ValueError):
    """The question cannot be answered as it stands; the text says what there is to choose from."""


class GapError(CollectorError):
    """Rows were asked for across a stretch in which some are missing, or may be."""

    def __init__(self, what: str, gaps: "Sequence[LedgerRow]") -> None:
        """`what` names the stream; `gaps` are the unrepaired ones, by start."""
        self.gaps = list(gaps)
        """The gaps in the way, by start."""
        named = [f"  {gap_text(row)}" for row in self.gaps[:_NAMED]]
        if len(self.gaps) > _NAMED:
            named.append(f"  and {len(self.gaps) - _NAMED} more; .gaps of this error lists all")
        super().__init__(
            "\n".join(
                [
                    f"{what} has {len(self.gaps)} unrepaired gap{'s' if len(self.gaps) > 1 else ''} in the time asked for:",
                    *named,
                    _WAYS_ON,
                ]
            )
        )


class MissingExtraError(ImportError):
    """A package that only this way of reading needs is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        """`extra` is the optional dependency that brings the package."""
        super().__init__(
            f"{package} is not installed: pip install {package} (the extra {extra!r} brings it)", name=package
        )


def gap_text(row: "LedgerRow") -> str:
    """A gap on one line: its stretch, kind, cause, and what is missing."""
    gap = row.gap
    end = "now" if gap.ended_at is None else iso_time(gap.ended_at)
    missing = "an unknown number of messages" if gap.missing is None else f"{gap.missing} missing"
    return f"{iso_time(gap.started_at)} to {end}: {gap.kind}, cause {gap.cause}, {missing} ({gap.status}, {gap.gap_id})"
