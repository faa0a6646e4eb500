"""The file that says which symbols a feed records now."""

from pathlib import Path

from collector.domain.symbol_choice import Choice
from collector.storage.chosen_files import Watched, chosen_file, read_choice, write_choice

DEEP = b'{"version":1,"feed":"pairs","symbols":[],"new":' + b"[" * 100_000
CHOICE = Choice(("BTCUSDT", "ETHUSDT"), 2, {"BTCUSDT": 0, "ETHUSDT": 1_790_000_000_000_000})


def test_a_choice_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_choice(tmp_path, "pairs", CHOICE)
    assert read_choice(tmp_path, "pairs") == CHOICE
    assert [path.name for path in (tmp_path / "run" / "instruments").iterdir()] == ["pairs.chosen.json"]


def test_a_file_that_cannot_be_read_is_as_good_as_none(tmp_path: Path) -> None:
    assert read_choice(tmp_path, "pairs") is None
    write_choice(tmp_path, "pairs", CHOICE)
    for content in (b"", b"{", b"[]", b'{"version":2,"feed":"pairs","symbols":["A"]}', b"\xff", DEEP):
        chosen_file(tmp_path, "pairs").write_bytes(content)
        assert read_choice(tmp_path, "pairs") is None


def test_a_watched_file_changes_each_time_it_is_replaced(tmp_path: Path) -> None:
    watched = Watched(chosen_file(tmp_path, "pairs"))
    assert not watched.has_changed()
    for _ in range(2):
        write_choice(tmp_path, "pairs", CHOICE)
        assert watched.has_changed()
        assert not watched.has_changed()
    chosen_file(tmp_path, "pairs").unlink()
    assert not watched.has_changed()
