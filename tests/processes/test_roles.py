"""The table of roles: which processes there are, and which may still be there."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from collector.config import Config, FeedConfig, RepairConfig
from collector.processes.roles import (
    ROLES,
    feed_of,
    in_flow_order,
    is_journal_abandoned,
    processes_of,
    processes_seen,
    role_lock,
    role_of,
)

CONFIG = Config(feed=(FeedConfig(name="books"), FeedConfig(name="trades")))


def test_the_children_follow_from_the_configuration_stage_by_stage() -> None:
    assert processes_of(CONFIG) == ["ingest:books", "ingest:trades", "repair", "writer", "archiver"]
    off = replace(CONFIG, repair=RepairConfig(enabled=False))
    assert processes_of(off) == ["ingest:books", "ingest:trades", "writer", "archiver"]


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


def test_no_two_roles_share_a_name_or_a_folder() -> None:
    assert len({role.name for role in ROLES}) == len({role.folder for role in ROLES}) == len(ROLES)


def test_names_are_listed_in_the_order_of_the_flow_and_unknown_ones_last() -> None:
    names = ["relay", "archiver", "writer", "repair", "ingest:b", "ingest:a"]
    assert in_flow_order(names) == ["ingest:a", "ingest:b", "repair", "writer", "archiver", "relay"]


def test_the_journals_tell_of_an_ingest_whose_lock_file_was_removed(tmp_path: Path) -> None:
    assert processes_seen(tmp_path) == ["archiver", "repair", "writer"]
    for name in ("journal/books", "journal/books~rest", "run"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("supervisor", "ingest:trades", "writer"):
        (tmp_path / f"run/{name}.lock").touch()
    assert processes_seen(tmp_path) == ["archiver", "ingest:books", "ingest:trades", "repair", "writer"]


@pytest.mark.parametrize(("journal", "owner"), [("books", "ingest:books"), ("books~rest", "repair")])
def test_a_journal_is_abandoned_once_its_process_is_dead(journal: str, owner: str, tmp_path: Path) -> None:
    lock = role_lock(tmp_path, owner)
    assert lock.try_acquire()
    assert not is_journal_abandoned(tmp_path, journal)
    assert is_journal_abandoned(tmp_path, "trades")
    lock.release()
    assert is_journal_abandoned(tmp_path, journal)


def test_a_journal_that_no_role_appends_to_is_abandoned(tmp_path: Path) -> None:
    assert is_journal_abandoned(tmp_path, "books~relayed")


ROOT = Path(__file__).resolve().parents[2]

MAY_NAME_ROLES = {
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
