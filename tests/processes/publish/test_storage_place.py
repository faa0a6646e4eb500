"""What follows from how far storage has an edge's journal."""

from collector.bus.places import EdgePlace, FilePlace
from collector.bus.slices import EndedFile
from collector.processes.publish.storage_place import (
    OwnFile,
    ended_files,
    highest_number,
    is_another_journal,
    is_lost,
    is_of_another_journal,
    is_one_gone_between,
    is_there,
    positions,
    removable,
)
from collector.storage.journal.position import Position

FILES = [OwnFile("a", 1, 100), OwnFile("b", 2, 200), OwnFile("c", 3, 300)]
PLACE = EdgePlace("ep", (FilePlace("b", 2, 200, ended=True), FilePlace("c", 3, 50, ended=False)), done_below=2)


def test_files_are_published_from_where_storage_has_them() -> None:
    assert positions(PLACE, "x", [*FILES, OwnFile("d", 4, 10)]) == {
        "a": Position("a", "x", 1, 100, ended=True),
        "b": Position("b", "x", 2, 200, ended=True),
        "c": Position("c", "x", 3, 50, ended=False),
    }


def test_what_storage_has_to_its_end_is_removed_but_never_the_newest_file() -> None:
    assert removable(PLACE, FILES) == {FILES[0]: 100, FILES[1]: 200}
    assert removable(PLACE, FILES[:2]) == {FILES[0]: 100}
    assert removable(EdgePlace("ep"), FILES) == {}
    assert removable(EdgePlace("ep", (FilePlace("a", 1, 90, ended=True),)), FILES) == {FILES[0]: 90}


def test_a_file_that_is_gone_or_shorter_than_storage_has_it_is_lost() -> None:
    assert not is_lost(PLACE, FILES)
    assert is_lost(PLACE, FILES[:2])
    assert is_lost(PLACE, [*FILES[:2], OwnFile("c", 3, 49)])
    assert not is_lost(PLACE, FILES[2:]), "files that storage has to their end may go"


def test_a_journal_whose_newest_file_is_gone_or_another_one_is_not_the_one_that_storage_knows() -> None:
    assert not is_another_journal(PLACE, "x", FILES)
    assert not is_another_journal(PLACE, "x", [FILES[2], OwnFile("d", 4, 10)]), "those behind the place are removed"
    assert not is_another_journal(EdgePlace("ep"), "x", [])
    assert is_another_journal(PLACE, "x", [])
    assert is_another_journal(PLACE, "x", FILES[:2])
    assert is_another_journal(EdgePlace("ep", (), done_below=4), "x", [OwnFile("new", 2, 10)])
    begun_anew = [OwnFile("new", number, 10) for number in range(1, 6)]
    assert is_another_journal(PLACE, "x", [OwnFile(f"new{file.number}", file.number, 10) for file in begun_anew])
    assert not is_another_journal(PLACE, "x", [OwnFile("x/3", 3, 10)]), "its head cannot be read, or not yet"


def test_numbers_of_a_journal_only_rise() -> None:
    listed = {3: "c", 4: "x/4"}
    assert not any(is_of_another_journal(listed, "x", number, name) for number, name in ((3, "c"), (4, "d"), (5, "e")))
    assert is_of_another_journal(listed, "x", 1, "a")
    assert is_of_another_journal(listed, "x", 3, "other")


def test_a_number_that_no_file_has_is_of_one_that_was_lost() -> None:
    highest = highest_number(PLACE)
    assert highest == 3
    assert not is_one_gone_between(highest, 4, {4})
    assert not is_one_gone_between(highest, 6, {4, 5, 6})
    assert is_one_gone_between(highest, 6, {4, 6})
    assert highest_number(EdgePlace("ep", (), done_below=7)) == 6
    assert not is_one_gone_between(highest_number(EdgePlace("")), 6, {6}), "numbers go on from journals that are done"


def test_storage_is_there_once_it_has_as_much_of_the_file() -> None:
    assert is_there(PLACE, FilePlace("a", 1, 100, ended=True))
    assert is_there(PLACE, FilePlace("c", 3, 50, ended=False))
    assert not is_there(PLACE, FilePlace("c", 3, 51, ended=False))
    assert not is_there(PLACE, FilePlace("c", 3, 50, ended=True))
    assert not is_there(PLACE, FilePlace("d", 4, 0, ended=False))


def test_a_slice_names_the_newest_files_that_ended() -> None:
    ended = tuple(FilePlace(str(n), n, n * 10, ended=True) for n in range(20, 0, -1))
    assert ended_files(EdgePlace("ep", ended))[-1] == EndedFile("20", 20, 200)
    assert [file.number for file in ended_files(EdgePlace("ep", ended))] == list(range(13, 21))
