"""A committer killed at every step, and two at once: each segment is in its tables once."""

import os
import signal
from collections.abc import Callable
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import pytest
from pyiceberg.io.pyarrow import PyArrowFile
from sqlalchemy.orm import Session

from collector.storage.table import done, tidy
from collector.storage.table.commits import add
from collector.storage.table.data_files import location_of
from tests.processes.archiver.archiver_harness import in_a_child
from tests.storage.table.tabled import Tabled

STEPS: Final = [(PyArrowFile, "create"), (Session, "commit"), (done, "write_durably"), (tidy, "_replace")]
"""Whatever a commit writes: each file, the catalog, what was done, and where the table is found without the catalog."""


def _killed_at(step: int, kill: Callable[[], None], patch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Let the process die at one of its steps: even numbers before it is done, odd ones after. Returns how many there were."""
    steps = count()
    reached = 0

    def dying(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            nonlocal reached
            if (reached := next(steps)) == step:
                kill()
            found = real(*arguments, **named)
            if (reached := next(steps)) == step:
                kill()
            return found

        return call

    for owner, name in STEPS:
        patch.setattr(owner, name, dying(getattr(owner, name)))
    return lambda: reached


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _number_of_steps(folder: Path) -> int:
    folder.mkdir()
    tabled = Tabled(folder)
    tabled.segment(0)
    with pytest.MonkeyPatch.context() as patch:
        reached = _killed_at(-1, _kill, patch)
        tabled.look()
    return reached() + 1


def test_each_segment_is_there_once_whichever_step_kills_the_committer(tmp_path: Path) -> None:
    steps = _number_of_steps(tmp_path / "counted")
    assert steps >= 14, "a new table's metadata and row; two lists of files, metadata, row; the hint; what was done"
    for step in range(steps):
        folder = tmp_path / str(step)
        folder.mkdir()
        first = Tabled(folder)
        first.segment(0)
        first.segment(1, "host-2")

        def killed(folder: Path = folder, step: int = step) -> None:
            with pytest.MonkeyPatch.context() as patch:
                _killed_at(step, _kill, patch)
                Tabled(folder).look()

        assert in_a_child(killed) == -signal.SIGKILL, step
        again = Tabled(folder)
        again.look()
        assert again.files() == again.wanted(), step
        assert again.look().commits == 0, step


def test_what_a_killed_committer_wrote_in_vain_goes_once_it_is_old(tmp_path: Path) -> None:
    tabled = Tabled(tmp_path)
    tabled.segment(0)
    tabled.look()
    tabled.segment(1)

    def killed() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Session, "commit", lambda _: _kill())
            Tabled(tmp_path).look()

    folder = tmp_path / "archive-tables/market_data/trade/metadata"
    before = set(folder.iterdir())
    assert in_a_child(killed) == -signal.SIGKILL
    left = set(folder.iterdir()) - before
    assert len(left) == 3, "a list of files, the list of those, metadata"
    tabled.look()
    now_us = max(int(path.stat().st_mtime * 1_000_000) for path in folder.iterdir())
    tabled.work.tidy(now_us, 1)
    assert left <= set(folder.iterdir()), "somebody may be at work with what is young"
    tabled.work.tidy(now_us + 86_400_000_000, 1)
    assert left.isdisjoint(folder.iterdir())
    assert tabled.files() == tabled.wanted()


def test_of_two_committers_of_a_segment_the_second_sees_that_it_is_there(tmp_path: Path) -> None:
    one, other = Tabled(tmp_path), Tabled(tmp_path, state="other")
    one.segment(0)
    one.look()
    manifest = one.segment(1)
    real, calls = one.tables.opened, count()

    def opened(data_type: str, archive: str) -> Any:
        table = real(data_type, archive)
        if next(calls) == 0:
            assert other.look().files == 1
        return table

    one.tables.opened = opened  # type: ignore[method-assign]
    assert one.look()[:3] == (0, 1, 0), "no commit of its own, for somebody came first"
    assert one.files() == one.wanted()
    assert manifest.objects[0].key in str(one.files())


def test_two_committers_at_once_bring_each_segment_once(tmp_path: Path) -> None:
    tabled = Tabled(tmp_path)
    tabled.segment(0)
    tabled.look()
    for number in range(1, 9):
        tabled.segment(number)

    def commit_all(name: str) -> None:
        one = Tabled(tmp_path, state=name)
        for number in range(1, 9):
            # One at a time, so that they meet often.
            add(one.tables, "trade", location_of(one.store.url), one.segment_files(number))

    children = [get_context("fork").Process(target=commit_all, args=(name,)) for name in ("a", "b")]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0, 0]
    tabled.look()
    assert tabled.files() == tabled.wanted()
