"""Runs the cells of docs/tutorial.ipynb as Python, without a notebook program."""

import json
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

NOTEBOOK = Path(__file__).parents[1] / "docs/tutorial.ipynb"


def notebook() -> dict[str, Any]:
    """The file as it stands."""
    found: dict[str, Any] = json.loads(NOTEBOOK.read_text("utf-8"))
    return found


@contextmanager
def tutorial(folder: Path) -> Iterator[list[Figure]]:
    """Run all cells in a folder that stands for docs/; yields the figures they made."""
    mpl.use("Agg")
    names: dict[str, Any] = {}
    try:
        with chdir(folder):
            for cell in notebook()["cells"]:
                if cell["cell_type"] == "code":
                    exec("".join(cell["source"]), names)
        yield [plt.figure(number) for number in plt.get_fignums()]
    finally:
        plt.close("all")
