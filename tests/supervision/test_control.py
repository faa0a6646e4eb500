"""Requests and answers as files, with whatever else may lie among them."""

import os
import time
from pathlib import Path

import pytest

from collector.supervision.control import HANDOVER, KEPT_SECS, MOST_REQUESTS, RELOAD, Answer, Control, Request
from tests.whole.disks import SmallDisk


@pytest.fixture
def control(tmp_path: Path) -> Control:
    control = Control(tmp_path)
    assert not control.is_open()
    control.open()
    assert control.is_open()
    return control


@pytest.fixture
def folder(control: Control, tmp_path: Path) -> Path:
    return tmp_path / "run" / "control"


def age(path: Path, secs: float) -> None:
    at = time.time() - secs
    os.utime(path, (at, at))


def test_a_request_is_answered_once_and_nothing_is_left(control: Control, folder: Path) -> None:
    number = control.ask(Request(dry_run=True))
    assert control.answer_to(number) is None
    assert control.take() == (number, Request(dry_run=True))
    control.answer(number, Answer(state="done", changes=["log.level: info -> debug"]))
    assert control.take() is None
    assert control.answer_to(number) == Answer(state="done", changes=["log.level: info -> debug"])
    assert list(folder.iterdir()) == []


def test_only_the_owner_may_read_requests_and_answers(control: Control, folder: Path) -> None:
    number = control.ask(Request())
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    control.take()
    control.answer(number, Answer(state="done"))
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700


def test_requests_are_taken_oldest_first(control: Control, folder: Path) -> None:
    first, second = control.ask(Request()), control.ask(Request(dry_run=True))
    age(folder / f"{second}.request", 10)
    assert control.take() == (second, Request(dry_run=True))
    control.answer(second, Answer(state="refused"))
    assert control.take() == (first, Request())


def test_a_request_is_taken_once_by_whomever_and_waits_on_for_its_answer(
    control: Control, folder: Path, tmp_path: Path
) -> None:
    number = control.ask(Request(kind=HANDOVER))
    assert control.take() == (number, Request(kind=HANDOVER))
    assert [control.take(), Control(tmp_path).take()] == [None, None]
    assert [control.taken(RELOAD), control.taken(HANDOVER)] == [[], [number]]
    control.tell(number, Answer(state="under_way", goes_on=True))
    assert control.answer_to(number) == Answer(state="under_way", goes_on=True)
    control.answer(number, Answer(state="done"))
    assert control.answer_to(number) == Answer(state="done")
    assert list(folder.iterdir()) == []


def test_a_request_that_cannot_be_marked_is_not_taken(control: Control, folder: Path) -> None:
    number = control.ask(Request())
    (folder / f"{number}.taken").mkdir()
    with pytest.raises(OSError, match=number):
        control.take()
    (folder / f"{number}.taken").rmdir()
    assert control.take() == (number, Request())


def test_a_draft_that_was_left_is_in_nobody_s_way(control: Control, folder: Path) -> None:
    number = control.ask(Request())
    control.take()
    draft = folder / f"{number}.answer.new"
    draft.touch()
    control.answer(number, Answer(state="done"))
    assert control.answer_to(number) == Answer(state="done")
    assert list(folder.iterdir()) == [draft]
    age(draft, KEPT_SECS + 10)
    control.clean()
    assert list(folder.iterdir()) == []


def test_on_a_full_disk_a_request_is_taken_once_and_no_draft_is_left(tmp_path: Path) -> None:
    disk = SmallDisk(tmp_path / "small", 1 << 20)
    try:
        control, folder = Control(disk.folder), disk.folder / "run" / "control"
        control.open()
        number = control.ask(Request())
        disk.fill()
        assert control.take() == (number, Request())
        for _ in range(3):
            with pytest.raises(OSError, match="No space left"):
                control.answer(number, Answer(state="done"))
        with pytest.raises(OSError, match="No space left"):
            control.ask(Request())
        assert control.take() is None
        assert [path.name for path in folder.iterdir()] == [f"{number}.taken"]
        disk.clear()
        control.answer(number, Answer(state="done"))
        assert control.answer_to(number) == Answer(state="done")
    finally:
        disk.unmount()


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"dry_run": 3}', b"\xff", b"x" * 100_000])
def test_a_request_that_cannot_be_read_is_there_to_be_refused(control: Control, folder: Path, text: bytes) -> None:
    (folder / "0123456789abcdef.request").write_bytes(text)
    assert control.take() == ("0123456789abcdef", None)


def test_a_request_that_was_withdrawn_gets_no_answer(control: Control, folder: Path) -> None:
    number = control.ask(Request())
    control.withdraw(number)
    assert control.take() is None
    number = control.ask(Request())
    control.take()
    control.withdraw(number)
    control.answer(number, Answer(state="done"))
    assert list(folder.iterdir()) == []


def test_an_answer_is_awaited_until_somebody_removes_the_request(control: Control, folder: Path) -> None:
    number = control.ask(Request())
    assert control.awaits(number)
    control.take()
    assert control.awaits(number)
    control.answer(number, Answer(state="done"))
    assert control.awaits(number)
    (folder / f"{number}.answer").unlink()
    assert not control.awaits(number)


def test_what_is_old_or_strange_or_too_much_is_removed(control: Control, folder: Path) -> None:
    answered = control.ask(Request())
    control.take()
    control.answer(answered, Answer(state="done"))
    old = control.ask(Request())
    control.take()
    age(folder / f"{old}.taken", KEPT_SECS + 10)
    kept = [control.ask(Request()) for _ in range(MOST_REQUESTS)]
    old = control.ask(Request())
    age(folder / f"{old}.request", KEPT_SECS + 10)
    age(folder / f"{answered}.answer", KEPT_SECS + 10)
    first = control.ask(Request())
    age(folder / f"{first}.request", 60)
    for name in ("nonsense.request", "note.txt", "0123456789abcdef.request.new"):
        (folder / name).write_text("{}", "utf-8")
    age(folder / "0123456789abcdef.request.new", KEPT_SECS + 10)
    (folder / "folder").mkdir()
    control.clean()
    assert {path.name for path in folder.iterdir()} == {"folder", *(f"{number}.request" for number in kept)}


def test_without_a_folder_nothing_waits_and_nothing_is_cleaned(tmp_path: Path) -> None:
    control = Control(tmp_path)
    assert control.take() is None
    control.clean()
    with pytest.raises(FileNotFoundError):
        control.ask(Request())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_what_root_asks_belongs_to_the_user_that_the_recorder_runs_as(control: Control, folder: Path) -> None:
    os.chown(folder, 12_345, 12_346)
    path = folder / f"{control.ask(Request())}.request"
    assert (path.stat().st_uid, path.stat().st_gid) == (12_345, 12_346)
