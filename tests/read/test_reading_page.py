"""docs/READING.md works as it stands, and tells of everything that can be asked."""

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from collector.read.archive import Archive
from collector.read.books.view import BookView
from collector.read.frame import Frame
from collector.read.marking import MODES
from tests.conftest import Lines
from tests.read.recorded_world import TYPES, RecordedWorld, fetched_book, with_books
from tests.read.recorded_world import Frame as Received

PAGE = (Path(__file__).parents[2] / "docs/READING.md").read_text("utf-8")
# What needs another project, which is not installed here, is shown as `py`. Tables have a test of their own.
EXAMPLES = re.findall(r"```python\n(.*?)```", re.sub(r"(?s)\n## Iceberg tables\n.*?(?=\n## )", "", PAGE), re.DOTALL)


def public(of: type) -> list[str]:
    return [name for name, _ in inspect.getmembers(of, inspect.isfunction) if not name.startswith("_")]


@pytest.mark.parametrize("name", public(Archive))
def test_every_question_has_an_example_and_is_told_with_its_arguments(name: str) -> None:
    assert re.search(rf"\.{name}\(", "".join(EXAMPLES))
    told = PAGE.replace("`", " ")
    parameters = [
        parameter for parameter in inspect.signature(getattr(Archive, name)).parameters if parameter != "self"
    ]
    assert [parameter for parameter in parameters if not re.search(rf"\b{parameter}\b", told)] == []


def test_every_part_of_a_book_view_is_told() -> None:
    names = {
        *BookView.__dataclass_fields__,
        *(name for name, _ in inspect.getmembers(BookView, inspect.isdatadescriptor)),
    }
    told = PAGE.split("\n| `BookView` |")[1].split("\n\n")[0]
    assert [name for name in names if not name.startswith("_") and f"`{name}`" not in told] == []


def test_every_way_out_of_a_frame_and_every_mode_is_told() -> None:
    assert [name for name in public(Frame) if f"`.{name}(" not in PAGE] == []
    assert [mode for mode in MODES if f'`"{mode}"`' not in PAGE] == []


def test_the_examples_work_one_after_another(
    tmp_path: Path,
    frames: list[Received],
    recorded: Lines,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    world = RecordedWorld(tmp_path / "data", data_types=(*TYPES, "book_snapshot"))
    world.fetch(*fetched_book(recorded))
    world.receive(with_books(frames[:1_000]))
    world.seal()
    world.archive()
    world.receive(with_books(frames[1_000:2_000]))
    world.commit()
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for example in EXAMPLES:
        exec(example, names)
    assert names["trades"].num_rows
    assert names["books"].arrow()["is_snapshot"].unique().to_pylist() == [True]
    assert names["window"].arrow().num_rows
    assert names["by_side"]["size"].sum() == pytest.approx(names["volume"])
    assert names["view"].mid > 0
    assert names["top"].arrow().num_rows == 20
    assert names["pieces"]["piece"].unique().to_pylist() == [0, 1]
    printed = capsys.readouterr().out
    assert "binance BTCUSDT book_ticker has 1 unrepaired gap in the time asked for:" in printed
