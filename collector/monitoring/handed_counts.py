"""The counts of all processes as a file, by which they go on when one program takes over from another."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from collector.monitoring.totals import RoleTotals, Totals
from collector.reports import Report
from collector.scrub import scrubbed

FILE_NAME: Final = "run/handed-counts.json"


def write_counts(data_dir: Path, totals: Totals) -> None:
    """Leave the counts to the program that takes over. Raises OSError."""
    path = data_dir / FILE_NAME
    draft = path.with_name(f"{path.name}.new")
    draft.write_bytes(msgspec.json.encode(scrubbed({role: list(each) for role, each in totals.items()})))
    draft.replace(path)


def take_counts(data_dir: Path, report_of: Callable[[str], type[Report]]) -> dict[str, RoleTotals[Any]]:
    """The counts that an earlier program left, whose file is removed. Raises OSError, or msgspec.MsgspecError."""
    path = data_dir / FILE_NAME
    by_role = msgspec.json.decode(path.read_bytes(), type=dict[str, msgspec.Raw])
    path.unlink()
    return {role: _totals(raw, report_of(role)) for role, raw in by_role.items()}


def _totals(raw: msgspec.Raw, kind: type[Report]) -> RoleTotals[Any]:
    return RoleTotals(*msgspec.json.decode(raw, type=tuple[kind, kind, kind | None]))  # type: ignore[valid-type]
