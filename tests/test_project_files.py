"""The files a firm looks for say what is so."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

from collector import __version__, cli
from collector.certificates import certificate
from collector.domain.repair_protocol import REQUEST_VERSION
from collector.storage.archive import pruned
from collector.storage.archive.schema import SCHEMA_VERSION
from collector.storage.journal import format as journal
from collector.storage.segment import positions_file
from collector.storage.segment.file_format import SEGMENT_VERSION, STATE_VERSION

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def text_of(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def test_the_changelog_begins_with_this_version() -> None:
    versions = re.findall(r"^## \[(.+?)\]", text_of("CHANGELOG.md"), flags=re.MULTILINE)
    assert versions[0] == __version__


def test_the_changelog_names_the_numbers_of_every_stored_form() -> None:
    rows = re.findall(r"^\| ([^|]+?) \| (\d+) \|", text_of("CHANGELOG.md"), flags=re.MULTILINE)
    assert dict(rows) == {
        "columns of Parquet files, manifests": str(SCHEMA_VERSION),
        "segment": str(SEGMENT_VERSION),
        "stream state in a segment": str(STATE_VERSION),
        "journal": str(journal.VERSION),
        "positions file": str(positions_file.VERSION),
        "repair request": str(REQUEST_VERSION),
        "record of what was pruned": str(pruned.VERSION),
        "certificate": str(certificate.FORMAT),
    }


def test_the_changelog_names_every_command() -> None:
    assert [name for name in cli.COMMANDS if f"`{name}`" not in text_of("CHANGELOG.md")] == []


def test_the_licence_is_the_one_the_package_names() -> None:
    assert text_of("LICENSE").startswith(
        f"{PROJECT['license']} License\n\nCopyright (c) 2026 The market-data-collector"
    )
    assert PROJECT["authors"] == [{"name": "The market-data-collector authors"}]


@pytest.mark.parametrize("name", ["CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"])
def test_every_link_leads_somewhere(name: str) -> None:
    targets = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", text_of(name))
    assert targets
    assert [target for target in targets if "://" not in target and not (ROOT / target).exists()] == []


def test_contributing_names_only_files_and_programs_that_exist() -> None:
    blocks = re.findall(r"```\n(.*?)```", text_of("CONTRIBUTING.md"), flags=re.DOTALL)
    commands = [line.split() for block in blocks for line in block.splitlines()]
    words = {word for command in commands for word in command if re.match(r"(scripts|tests)/", word)}
    assert {word for word in words if not (ROOT / word).exists()} == set()
    assert {command[0] for command in commands} == {"scripts/test", ".venv/bin/python", ".venv/bin/uv"}
    ci = text_of(".ci/run")
    programs = dict(re.findall(r"(\S+):(\S+)", re.findall(r"for program in (.*?); do", ci)[0]))
    told = text_of("CONTRIBUTING.md")
    assert [name for name, package in programs.items() if name not in told or package not in told] == []


PEERS = "tests/bench/peers"


@pytest.mark.parametrize(
    "name",
    [
        "requirements.txt",
        "requirements-hosts.txt",
        "requirements-test.txt",
        "requirements-build.txt",
        f"{PEERS}/requirements.txt",
        f"{PEERS}/requirements-cryptofeed.txt",
        "tests/peers/requirements-duckdb.txt",
        "tests/peers/requirements-hftbacktest.txt",
        "tests/peers/requirements-nautilus.txt",
        "tests/peers/requirements-spark.txt",
    ],
)
def test_requirements_are_hashed_and_name_no_address(name: str) -> None:
    pinned = re.findall(r"^[a-z0-9][^\n]*(?:\n    [^\n]+)*", text_of(name), flags=re.MULTILINE)
    assert [entry.split()[0] for entry in pinned if "--hash=sha256:" not in entry] == []
    assert "://" not in text_of(name)


def pins(name: str) -> set[tuple[str, str]]:
    """The packages that a file of requirements names, each with its version."""
    return set(re.findall(r"^([a-z0-9.\[\]-]+)==(\S+)", text_of(name), flags=re.MULTILINE))


def test_what_the_image_has_is_what_one_host_needs_with_the_client_of_nats_and_what_keeps_tables() -> None:
    alone, several = pins("requirements.txt"), pins("requirements-hosts.txt")
    assert alone < several <= alone | pins("requirements-test.txt")
    further = {name for name, _ in several - alone}
    assert further >= {"nats-py", "pyiceberg", "sqlalchemy"}
    assert further.isdisjoint({"numpy", "pandas", "polars", "duckdb"}), "a recorder reads no tables"


def test_pre_commit_runs_the_checks_of_the_test_script() -> None:
    hooks = [hook for repo in yaml.safe_load(text_of(".pre-commit-config.yaml"))["repos"] for hook in repo["hooks"]]
    checks = re.findall(
        r"^\.venv/bin/python -m (?:ruff|mypy).*?(?=$| +#| \. | \.$)", text_of("scripts/test"), re.MULTILINE
    )
    assert [hook["entry"] for hook in hooks] == [check.removesuffix(" .") for check in checks]
    assert len(hooks) == 4


def test_the_package_names_no_project_urls() -> None:
    assert "urls" not in PROJECT


def test_every_package_the_command_imports_is_installed_with_it() -> None:
    modules = {name for path in (ROOT / "collector").rglob("*.py") for name in imported_modules(path)}
    distributions = packages_distributions()
    needed = {
        distributions[name][0].lower().replace("_", "-") for name in modules - sys.stdlib_module_names - {"collector"}
    }
    assert "shtab" in needed
    installed = {re.split(r"[<>=!\[]", one)[0].lower() for one in PROJECT["dependencies"]}
    extras = {name: entries for name, entries in PROJECT["optional-dependencies"].items() if name != "test"}
    offered = {re.split(r"[<>=!\[]", one)[0].lower() for entries in extras.values() for one in entries}
    assert needed - installed - offered == {"botocore"}, "it comes with boto3; each of an extra is named where it lacks"


def imported_modules(path: Path) -> Iterator[str]:
    """The top-level names of the modules that a file imports."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module).partition(".")[0]
