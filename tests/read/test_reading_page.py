"""docs/READING.md works as it stands, and tells of everything that can be asked."""

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from collector.read.archive import Archive
from collector.read.frame import Frame
from collector.read.marking import MODES
from tests.read.recorded_world import TYPES, RecordedWorld, with_books
from tests.read.recorded_world import Frame as Received

PAGE = (Path(__file__).parents[2] / "docs/READING.md").read_text("utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


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


def test_every_way_out_of_a_frame_and_every_mode_is_told() -> None:
    assert [name for name in public(Frame) if f"`.{name}(" not in PAGE] == []
    assert [mode for mode in MODES if f'`"{mode}"`' not in PAGE] == []


def test_the_examples_work_one_after_another(
    tmp_path: Path, frames: list[Received], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world = RecordedWorld(tmp_path / "data", data_types=(*TYPES, "book_snapshot"))
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
    assert names["pieces"]["piece"].unique().to_pylist() == [0, 1]
    printed = capsys.readouterr().out
    assert "binance BTCUSDT book_ticker has 1 unrepaired gap in the time asked for:" in printed
