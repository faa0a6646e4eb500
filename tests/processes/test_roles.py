"""Which processes there are, and which may still be there."""

from pathlib import Path

from collector.processes.roles import roles_seen


def test_the_journals_tell_of_an_ingest_whose_lock_file_was_removed(tmp_path: Path) -> None:
    assert roles_seen(tmp_path) == ["archiver", "writer"]
    for name in ("journal/books", "journal/books~rest", "run"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("supervisor", "ingest:trades", "writer"):
        (tmp_path / f"run/{name}.lock").touch()
    assert roles_seen(tmp_path) == ["archiver", "ingest:books", "ingest:trades", "repair", "writer"]
