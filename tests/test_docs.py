"""The docs and the code say the same."""

import ast
import importlib
import os
import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from collector.domain import errors
from collector.domain.records import GAP_CAUSES, GAP_KINDS, GAP_STATUSES, ROW_TYPES, Gap
from collector.monitoring.health import RULES
from collector.monitoring.metrics_table import METRICS, Metric
from collector.monitoring.reason_help import REASON_HELP
from collector.supervision.supervisor import EXIT_LATE

ROOT = Path(__file__).resolve().parents[1]
OPERATIONS = (ROOT / "docs/OPERATIONS.md").read_text("utf-8")
LEVELS = {"debug", "info", "warning", "error", "exception"}


def chapter(heading: str) -> str:
    return OPERATIONS.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def tables_below(heading: str) -> list[list[list[str]]]:
    """The cells of each table of a chapter, without the tables' heads."""
    runs = groupby(chapter(heading).splitlines(), key=lambda line: line.startswith("|"))
    tables = [list(lines)[2:] for is_table, lines in runs if is_table]
    return [[[cell.strip() for cell in row.strip("|").split("|")] for row in rows] for rows in tables]


def table_below(heading: str) -> list[list[str]]:
    """The cells of a chapter's first table."""
    return tables_below(heading)[0]


def logged_events() -> Iterator[str]:
    modules = [path for path in ROOT.glob("collector/**/*.py") if "simulator" not in path.parts]
    for path in [*modules, ROOT / "supervisor.py"]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS:
                first = node.args[0] if node.args else None
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    yield first.value


def test_exactly_the_existing_log_events_are_documented() -> None:
    items = re.findall(r"^- (`\w+`[^:]*):", chapter("The log"), flags=re.MULTILINE)
    explained = {name for item in items for name in re.findall(r"`(\w+)`", item)}
    assert explained == {*logged_events(), "log_lines_dropped"}


def test_every_health_reason_is_documented_as_on_the_page() -> None:
    assert list(REASON_HELP) == list(RULES)
    explained = {code.strip("`"): (meaning, remedy) for code, meaning, remedy in table_below("Is it well?")}
    plain = {code: tuple(re.sub(r"`|\(#[\w-]+\)", "", cell) for cell in cells) for code, cells in explained.items()}
    assert plain == {
        code: (meaning, f"{remedy}. More: [{chapter}]" if chapter else remedy)
        for code, (meaning, remedy, chapter) in REASON_HELP.items()
    }


def test_every_metric_is_documented_as_in_the_code() -> None:
    explained = {
        name.strip("`"): Metric(kind, () if not labels else tuple(labels.split(", ")), text)  # type: ignore[arg-type]
        for name, kind, labels, text in table_below("Metrics")
    }
    assert explained == METRICS


def test_every_column_kind_cause_and_status_of_a_gap_is_documented() -> None:
    rows = [row for table in tables_below("The gap ledger") for row in table]
    names = {name for row in rows for name in re.findall(r"`(\w+)`", row[0])}
    assert {*GAP_KINDS, *Gap._fields} <= names
    assert {word for word in (*GAP_CAUSES, *GAP_STATUSES) if f"`{word}`" not in chapter("The gap ledger")} == set()


def test_every_exit_code_is_documented() -> None:
    stops = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.StopError)]
    codes = {kind.exit_code for kind in stops if kind is not errors.StopError}
    assert {int(row[0]) for row in table_below("Exit codes")} == codes | {0, 1, EXIT_LATE}


def test_the_readme_names_every_column_of_every_data_type() -> None:
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| (`.*) \|$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    told = {name: re.findall(r"`(\w+)`", columns) for names, columns in rows for name in re.findall(r"\w+", names)}
    missing = {
        name: absent
        for name, row_type in ROW_TYPES.items()
        if (absent := [field for field in row_type._fields if field not in told.get(name, ())])
    }
    assert missing == {}


def test_every_path_the_docs_name_exists() -> None:
    for page in [ROOT / "README.md", *ROOT.glob("docs/*.md")]:
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text("utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def anchors(page: Path) -> set[str]:
    """The headings of a page, as links name them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_every_heading_the_docs_link_to_exists() -> None:
    pages = [ROOT / "README.md", *ROOT.glob("docs/*.md")]
    for page in pages:
        for target, anchor in re.findall(r"\]\(([^)#]*)#([^)]+)\)", page.read_text("utf-8")):
            if "://" not in target:
                assert anchor in anchors(page.parent / target if target else page), f"{page.name}: {target}#{anchor}"


def test_architecture_names_every_room() -> None:
    page = (ROOT / "docs/ARCHITECTURE.md").read_text("utf-8")
    rooms = {p.name for p in (ROOT / "collector").iterdir() if not p.name.startswith("_") and p.suffix != ".typed"}
    assert [room for room in rooms if room not in page] == []


def test_every_module_and_test_named_for_a_guarantee_exists() -> None:
    page = (ROOT / "docs/ARCHITECTURE.md").read_text("utf-8")
    section = page.split("## What holds the guarantees\n", 1)[1].split("\n## ", 1)[0]
    places = re.findall(r"`([\w/]+(?:\.py|/))`", section)
    assert [
        place for place in places if not (ROOT / place).exists() and not (ROOT / "collector" / place).exists()
    ] == []
    assert places != []


def test_every_name_the_docs_import_exists() -> None:
    pages = [ROOT / "README.md", *ROOT.glob("docs/*.md")]
    text = "\n".join(page.read_text("utf-8") for page in pages)
    imported = re.findall(r"^from (collector[.\w]*) import (\w+)$", text, flags=re.MULTILINE)
    named = re.findall(r"`(collector(?:\.[a-z_]+)+)\.([A-Z]\w+)", text)
    assert imported
    assert [name for name in {*imported, *named} if not hasattr(importlib.import_module(name[0]), name[1])] == []


def test_every_module_the_docs_name_exists() -> None:
    known = [f"/{path.relative_to(ROOT)}" for path in ROOT.glob("**/*.py") if ".venv" not in path.parts]
    pages = [ROOT / "README.md", *ROOT.glob("docs/*.md")]
    named = {(page.name, name) for page in pages for name in re.findall(r"`([\w/]+\.py)`", page.read_text("utf-8"))}
    assert named
    assert sorted(where for where in named if not any(path.endswith(f"/{where[1]}") for path in known)) == []


def test_no_page_asks_for_tests_before_what_they_need_is_installed() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md")]
    assert [page.name for page in pages if re.search(r"(?<!\w)pytest (?:tests|-)", page.read_text("utf-8"))] == []


def test_every_script_the_docs_name_exists_and_can_be_run() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md")]
    named = {name for page in pages for name in re.findall(r"scripts/[\w.]+\w", page.read_text("utf-8"))}
    assert "scripts/collector" in named
    programs = {ROOT / name for name in named} - {ROOT / "scripts/collector.service"}
    assert [program for program in programs if not os.access(program, os.X_OK)] == []
