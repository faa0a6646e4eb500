"""The live view on real pseudo-terminals."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import TextIO

import pytest
from rich.console import Console, RenderableType
from rich.text import Text

from collector.terminal.live import LiveView
from tests.terminal.pseudo import DEADLINE_SECS, PseudoTerminal

ENTERS_SCREEN = b"\x1b[?1049h"
LEAVES_SCREEN = b"\x1b[?1049l"


@pytest.fixture(autouse=True)
def usual_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def terminal() -> Iterator[PseudoTerminal]:
    with PseudoTerminal(80, 24) as made:
        yield made


def file_of(terminal: PseudoTerminal) -> TextIO:
    return os.fdopen(os.dup(terminal.theirs), "w", encoding="utf-8")


def words(text: str, style: str = "") -> Callable[[Console], RenderableType]:
    return lambda _console: Text(text, style)


def test_a_frame_is_drawn_and_the_closing_stays(terminal: PseudoTerminal) -> None:
    view = LiveView(file_of(terminal))
    view.note("before")
    terminal.read_until(b"before")
    view.show(words("a frame"))
    terminal.read_until(b"a frame")
    assert view.finish(["the end"], DEADLINE_SECS)
    terminal.read_until(b"the end")
    assert terminal.screen.index(b"before") < terminal.screen.index(b"a frame") < terminal.screen.index(LEAVES_SCREEN)
    assert terminal.screen.index(LEAVES_SCREEN) < terminal.screen.index(b"the end")


def test_a_resized_terminal_is_drawn_anew(terminal: PseudoTerminal) -> None:
    view = LiveView(file_of(terminal))
    view.show(lambda console: Text(f"size {console.width}x{console.height}."))
    terminal.read_until(b"size 80x24.")
    terminal.resize(160, 50)
    terminal.read_until(b"size 160x50.")
    assert view.finish(secs=DEADLINE_SECS)


def test_a_paused_view_leaves_the_screen_until_it_resumes(terminal: PseudoTerminal) -> None:
    view = LiveView(file_of(terminal))
    view.show(words("a frame"))
    terminal.read_until(b"a frame")
    view.pause("suspended", DEADLINE_SECS)
    terminal.read_until(b"suspended")
    view.show(words("the next frame"))
    assert LEAVES_SCREEN in terminal.screen
    view.resume()
    terminal.read_until(b"the next frame")
    after = terminal.screen.rpartition(b"suspended")[2]
    assert after.index(ENTERS_SCREEN) < after.index(b"the next frame")
    assert view.finish(secs=DEADLINE_SECS)


def test_a_view_that_has_ended_is_paused_at_once(terminal: PseudoTerminal) -> None:
    view = LiveView(file_of(terminal))
    assert view.finish(secs=DEADLINE_SECS)
    started = time.monotonic()
    view.pause("suspended", DEADLINE_SECS)
    assert time.monotonic() - started < DEADLINE_SECS / 2


def test_a_terminal_that_takes_nothing_holds_up_nobody() -> None:
    with PseudoTerminal(500, 200) as terminal:
        view = LiveView(file_of(terminal))
        drawn = threading.Event()

        def draw(_console: Console) -> Text:
            drawn.set()
            return Text("x" * 100_000)

        view.show(draw)
        assert drawn.wait(DEADLINE_SECS)
        started = time.monotonic()
        for number in range(10_000):
            view.show(words(str(number)))
        assert not view.finish(["the end"], 0.5)
        assert time.monotonic() - started < DEADLINE_SECS
        terminal.read_until(b"the end")  # once it takes something again the rest comes, and the thread ends


def test_a_terminal_that_is_gone_ends_the_view_alone() -> None:
    terminal = PseudoTerminal(80, 24)
    file = file_of(terminal)
    terminal.hang_up()
    view = LiveView(file)
    view.show(words("a frame"))
    assert view.finish(["the end"], DEADLINE_SECS)


def test_a_frame_that_cannot_be_made_says_why(terminal: PseudoTerminal) -> None:
    view = LiveView(file_of(terminal))
    view.show(lambda _console: Text(os.environ["NO_SUCH_KEY"]))
    terminal.read_until(b"cannot be shown (KeyError: 'NO_SUCH_KEY')")
    view.show(words("the next one"))
    terminal.read_until(b"the next one")
    assert view.finish(secs=DEADLINE_SECS)


@pytest.mark.parametrize("wanted", [True, False])
def test_colours_are_left_out_on_request(
    terminal: PseudoTerminal, monkeypatch: pytest.MonkeyPatch, *, wanted: bool
) -> None:
    if not wanted:
        monkeypatch.setenv("NO_COLOR", "1")
    view = LiveView(file_of(terminal))
    view.show(words("a red word", "red"))
    terminal.read_until(b"a red word")
    assert (b"\x1b[31m" in terminal.screen) == wanted
    assert view.finish(secs=DEADLINE_SECS)
