"""The table of roles: which processes there are, and which may still be there."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from collector.config import Config, FeedConfig, RepairConfig, TableConfig
from collector.config.change import FIXED
from collector.config.keys import KEYS, SECTIONS
from collector.config.model import NatsConfig
from collector.processes import roles
from collector.processes.roles import (
    ROLES,
    Role,
    feed_of,
    in_flow_order,
    processes_of,
    processes_seen,
    role_of,
)

PROCESSES = Path(roles.__file__).parent
CONFIG = Config(feed=(FeedConfig(name="books"), FeedConfig(name="trades")))


def test_the_children_follow_from_the_configuration_stage_by_stage() -> None:
    assert processes_of(CONFIG) == ["ingest:books", "ingest:trades", "repair", "writer", "archiver"]
    off = replace(CONFIG, repair=RepairConfig(enabled=False))
    assert processes_of(off) == ["ingest:books", "ingest:trades", "writer", "archiver"]
    tables = replace(off, table=TableConfig(catalog="sqlite:////data/tables.db"))
    assert processes_of(tables) == [*processes_of(off), "tabler"]


def test_an_edge_has_repair_only_if_a_feed_chooses_from_the_exchanges_list() -> None:
    edge = replace(CONFIG, role="edge", nats=NatsConfig(urls=("nats://127.0.0.1:4222",)))
    assert "repair" not in processes_of(edge)
    choosing = replace(edge, feed=(FeedConfig(name="books"), FeedConfig(name="trades", symbols=("*USDT",))))
    assert "repair" in processes_of(choosing)
    assert "repair" in processes_of(replace(edge, role="storage"))


@pytest.mark.parametrize("name", ["ingest", "ingest:", "writer:binance", "writer:", "supervisor", ""])
def test_a_name_that_no_process_has_belongs_to_no_role(name: str) -> None:
    with pytest.raises(KeyError):
        role_of(name)


def test_a_name_tells_role_and_feed() -> None:
    assert (role_of("ingest:books").name, feed_of("ingest:books")) == ("ingest", "books")
    assert (role_of("writer").name, feed_of("writer")) == ("writer", "")


def test_every_input_is_sent_by_a_role_of_the_table() -> None:
    names = {role.name for role in ROLES}
    assert {given.sender for role in ROLES for given in role.inputs} <= names


@pytest.mark.parametrize("host", ["all", "edge", "storage"])
def test_no_two_roles_share_a_name_or_on_any_host_a_folder(host: str) -> None:
    folders = [role.folder for role in ROLES if host in role.hosts]
    assert len({role.name for role in ROLES}) == len(ROLES)
    assert len(set(folders)) == len(folders)


def test_names_are_listed_in_the_order_of_the_flow_and_unknown_ones_last() -> None:
    names = ["other", "archiver", "writer", "repair", "ingest:b", "ingest:a"]
    assert in_flow_order(names) == ["ingest:a", "ingest:b", "repair", "writer", "archiver", "other"]


def test_the_journals_tell_of_an_ingest_whose_lock_file_was_removed(tmp_path: Path) -> None:
    assert processes_seen(tmp_path) == ["archiver", "cluster", "repair", "tabler", "writer"]
    for name in ("journal/books", "journal/books~rest", "run"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("supervisor", "ingest:trades", "writer"):
        (tmp_path / f"run/{name}.lock").touch()
    assert processes_seen(tmp_path) == [
        "archiver",
        "cluster",
        "ingest:books",
        "ingest:trades",
        "repair",
        "tabler",
        "writer",
    ]


def test_a_journal_whose_lock_names_its_relay_has_no_ingest(tmp_path: Path) -> None:
    for name in ("journal/books", "run"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "run/relay:books.lock").touch()
    assert [name for name in processes_seen(tmp_path) if feed_of(name)] == ["relay:books"]


ROOT = Path(__file__).resolve().parents[2]

MAY_NAME_ROLES = {
    "collector/bus/check.py": "what NATS calls its servers that work together",
    "collector/monitoring/hosts_json.py": "keys of /status",
    "collector/terminal/hosts.py": "keys of /status",
    "collector/monitoring/status_json.py": "keys of /status, which outsiders read",
    "collector/supervision/demo.py": "keys of /status and of the configuration",
    "collector/terminal/closing.py": "keys of /status",
    "collector/terminal/flow.py": "keys of /status",
    "collector/terminal/totals.py": "keys of /status, and what stands in a table's first column",
    "collector/storage/request_files.py": "the folder repair/ of data_dir, which the writer fills",
}
"""Modules outside the processes' own folders that spell a role's name, each with the reason."""


def strings_of(path: Path) -> Iterator[str]:
    """The texts in a module's code, docstrings left out."""
    tree = ast.parse(path.read_text("utf-8"))
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value


def test_only_the_table_names_roles() -> None:
    names = {role.name for role in ROLES}
    wings = {role.module.replace(".", "/").rpartition("/")[0] for role in ROLES}
    table = "collector/processes/roles.py"
    named = {
        name
        for path in ROOT.glob("collector/**/*.py")
        if (name := str(path.relative_to(ROOT))) != table and not any(name.startswith(wing) for wing in wings)
        if any(text.partition(":")[0] in names for text in strings_of(path))
    }
    assert named == set(MAY_NAME_ROLES)


def shared_parts(text: str) -> Iterator[str]:
    """The functions and classes of shared modules that a module of a wing imports."""
    for node in ast.walk(ast.parse(text)):
        module = str(node.module).removeprefix("collector.processes.") if isinstance(node, ast.ImportFrom) else ""
        path = PROCESSES / f"{module}.py"
        if isinstance(node, ast.ImportFrom) and path.is_file():
            names, shared = {alias.name for alias in node.names}, path.read_text("utf-8")
            for part in ast.parse(shared).body:
                if isinstance(part, ast.FunctionDef | ast.ClassDef) and part.name in names:
                    yield ast.get_source_segment(shared, part) or ""


def settings_read(role: Role) -> set[str]:
    """The sections and keys that the modules of a role's wing, and what they share with others, take from a Config."""
    texts = [path.read_text("utf-8") for path in (PROCESSES / role.module.split(".")[2]).rglob("*.py")]
    texts += [part for text in texts for part in shared_parts(text)]
    found = {match for text in texts for match in re.findall(r"config\.([a-z]+)(?:\.([a-z_]+))?", text)}
    names = {f"{section}.{key}" if f"{section}.{key}" in KEYS else section for section, key in found}
    return names & {*KEYS, *SECTIONS}


def is_within(name: str, other: str) -> bool:
    return f"{name}.".startswith(f"{other}.")


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_a_role_names_every_setting_that_it_reads(role: Role) -> None:
    read = settings_read(role) - FIXED.keys() - {"channel", "feed"}
    assert read, "the search finds something"
    unnamed = [name for name in read if not any(is_within(name, s) or is_within(s, name) for s in role.settings)]
    assert unnamed == []
