"""The chapter of docs/BENCHMARKS.md that the benchmark writes itself, between two marks."""

from pathlib import Path
from typing import Final

from tests.bench.report import markdown, tables
from tests.bench.results import Results
from tests.whole.running import ROOT

FILE: Final = ROOT / "docs/BENCHMARKS.md"
BEGIN: Final = "<!-- written by scripts/bench --compare --write-docs: from here -->"
END: Final = "<!-- to here -->"


def written(page: str, results: Results) -> str:
    """The page with these figures. Raises ValueError if it has no place for them."""
    if page.count(BEGIN) != 1 or page.count(END) != 1 or page.index(END) < page.index(BEGIN):
        raise ValueError(f"the page needs one line {BEGIN!r} and after it one line {END!r}")
    before, rest = page.split(BEGIN)
    figures = "\n\n".join(markdown(table) for table in tables(results))
    return f"{before}{BEGIN}\n\n{figures}\n\n{END}{rest.split(END)[1]}"


def write(results: Results, path: Path = FILE) -> None:
    """Put the figures into the page."""
    path.write_text(written(path.read_text("utf-8"), results), "utf-8")
