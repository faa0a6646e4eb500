"""What docs/DATA_DICTIONARY.md says."""

import re
from pathlib import Path

PAGE = (Path(__file__).parents[1] / "docs/DATA_DICTIONARY.md").read_text("utf-8")


def chapter(heading: str) -> str:
    return PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def tables(heading: str) -> list[list[str]]:
    """The lines of each table of a chapter."""
    return [table.splitlines() for table in re.findall(r"(?:^\|.*\n)+", chapter(heading), re.MULTILINE)]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def told(heading: str) -> list[dict[str, str]]:
    """The columns that a chapter tells, each with its type, unit, null rule and meaning."""
    head, _, *rows = tables(heading)[0]
    names = cells(head)
    assert names == ["column", "type", "unit", "null", "meaning"]
    found = [dict(zip(names, cells(row), strict=True)) for row in rows]
    assert all(row["meaning"] and row["null"] for row in found)
    return [row | {"column": row["column"].strip("`")} for row in found]


def never_null(data_type: str) -> set[str]:
    """The columns that are told to be null in no row."""
    return {row["column"] for row in told(data_type) if row["null"].startswith("never")}
