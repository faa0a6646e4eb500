"""The tutorial notebook runs as it stands, and its pictures say what they show."""

import io
import json
import re
from collections.abc import Iterator

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure

from collector.supervision.demo import DATA_TYPES
from tests.conftest import Lines
from tests.read.recorded_world import Frame, RecordedWorld, fetched_book, with_books
from tests.tutorial import NOTEBOOK, notebook, tutorial


def with_aggregates(frames: list[Frame]) -> list[Frame]:
    """The frames, and behind each trade an aggregate of this trade alone."""
    found: list[Frame] = []
    for at_ns, frame in frames:
        found.append((at_ns, frame))
        said = json.loads(frame)
        if said["stream"].endswith("@trade"):
            trade = said["data"]
            data = {"e": "aggTrade", "a": trade["t"], "f": trade["t"], "l": trade["t"]}
            aggregate = {"stream": "btcusdt@aggTrade", "data": trade | data}
            found.append((at_ns, json.dumps(aggregate).encode()))
    return found


def without_a_trade(frames: list[Frame]) -> list[Frame]:
    """The frames but for one trade in their middle."""
    trades = [index for index, (_, frame) in enumerate(frames) if b"@trade" in frame]
    lost = trades[len(trades) // 2]
    return frames[:lost] + frames[lost + 1 :]


def shallow_book(recorded: Lines) -> tuple[int, bytes]:
    """The whole book that was fetched, with so few levels that a picture shows where they end."""
    at_ns, content = fetched_book(recorded)
    said = json.loads(content)
    return at_ns, json.dumps({**said, **{side: said[side][:40] for side in ("bids", "asks")}}).encode()


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory, frames: list[Frame], recorded: Lines) -> Iterator[list[Figure]]:
    """What the tutorial draws of an archive with the demo's streams, in which a trade and a moment of all are missing."""
    folder = tmp_path_factory.mktemp("tutorial")
    world = RecordedWorld(folder / "data-demo", data_types=DATA_TYPES)
    world.fetch(*shallow_book(recorded))
    for part in (without_a_trade(with_books(frames[:800])), with_books(frames[900:1_000])):
        world.receive(with_aggregates(part))
        world.seal()
        world.archive()
    (folder / "docs").mkdir()
    with tutorial(folder / "docs") as found:
        yield found


def legend(axes: Axes) -> list[str]:
    found = axes.get_legend()
    return [] if found is None else [text.get_text() for text in found.get_texts()]


def test_each_picture_has_a_title_its_units_and_utc_times(figures: list[Figure]) -> None:
    titles = [[axes.get_title("left") for axes in figure.axes if axes.get_title("left")] for figure in figures]
    parts = ["BTCUSDT: price and depth", "BTCUSDT: spread", "BTCUSDT: gaps"]
    assert titles == [*([part] for part in parts), parts]
    units = {axes.get_title("left"): axes.get_ylabel() for figure in figures for axes in figure.axes}
    assert units["BTCUSDT: price and depth"] == "price [USDT]"
    assert units["BTCUSDT: spread"] == "bp of the price"
    assert all("time (UTC)" in [axes.get_xlabel() for axes in figure.axes] for figure in figures)


def test_gaps_are_drawn_in_colours_that_the_legend_names(figures: list[Figure]) -> None:
    (strip,) = figures[2].axes
    assert legend(strip) == ["recorded", "missing", "no book yet", "not proven"]
    assert [label.get_text() for label in strip.get_yticklabels()] == sorted(DATA_TYPES)
    drawn = {tuple(patch.get_facecolor()) for patch in strip.patches}
    found = strip.get_legend()
    assert found is not None
    assert {tuple(handle.get_facecolor()) for handle in found.get_patches()} == drawn


def test_what_is_not_known_is_grey_and_no_line_crosses_it(figures: list[Figure]) -> None:
    (depth, *_), (spread,) = figures[0].axes, figures[1].axes
    assert legend(depth)[-1] == legend(spread)[-1] == "not known"
    (book,) = (drawn for drawn in depth.collections if isinstance(drawn, QuadMesh))
    sizes = book.get_array()
    assert sizes is not None
    unknown = np.isnan(np.ma.filled(sizes, np.nan))
    assert unknown[:, -1].all()
    assert not unknown[:, unknown.shape[1] // 2].all()
    (line, _) = spread.lines
    assert np.isnan(line.get_ydata()).sum() == 1


def test_no_colour_is_beyond_the_prices_of_the_last_whole_book(figures: list[Figure], recorded: Lines) -> None:
    (book,) = (drawn for drawn in figures[0].axes[0].collections if isinstance(drawn, QuadMesh))
    corners = np.asarray(book.get_coordinates(), np.float64)[:, 0, 1]
    sizes = book.get_array()
    assert sizes is not None
    coloured = ~np.isnan(np.ma.filled(sizes, np.nan)).all(axis=1)
    said = json.loads(shallow_book(recorded)[1])
    lowest, highest = float(said["bids"][-1][0]), float(said["asks"][-1][0])
    assert coloured.any()
    assert not coloured.all()
    assert (coloured <= ((corners[:-1] >= lowest) & (corners[1:] <= highest))).all()


def test_the_picture_of_everything_can_be_saved(figures: list[Figure]) -> None:
    file = io.BytesIO()
    figures[-1].savefig(file, dpi=50)
    assert file.getvalue().startswith(b"\x89PNG")


def test_the_notebook_keeps_no_output() -> None:
    """So that a change of it can be read. `jupyter nbconvert --clear-output --inplace docs/tutorial.ipynb` removes it."""
    page = notebook()
    cells = [cell for cell in page["cells"] if cell["cell_type"] == "code"]
    assert [cell for cell in cells if cell["outputs"] or cell["execution_count"] is not None] == []
    assert page["nbformat"] == 4
    assert len({cell["id"] for cell in page["cells"]}) == len(page["cells"])


def test_every_link_of_the_notebook_leads_somewhere() -> None:
    text = "".join(line for cell in notebook()["cells"] if cell["cell_type"] == "markdown" for line in cell["source"])
    links = re.findall(r"\]\(([^)#]+)#?([^)]*)\)", text)
    assert links
    for target, anchor in links:
        headings = re.findall(r"^#+ (.+)$", (NOTEBOOK.parent / target).read_text("utf-8"), re.MULTILINE)
        assert not anchor or anchor in [heading.lower().replace(" ", "-") for heading in headings]
