"""nautilus_trader's loader reads the CSV files. On request: `pytest tests/peers`.

Its packages are installed into an environment of their own, which takes a minute or two.
"""

from pathlib import Path

import pytest

from tests.bench.environment import make
from tests.exports.test_tardis import export, messages, rows_of
from tests.peers.conftest import told_by
from tests.read.recorded_world import RecordedWorld

HERE = Path(__file__).resolve().parent
KINDS = ("incremental_book_L2", "trades", "quotes")


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The Python that has nautilus_trader."""
    return make(tmp_path_factory.mktemp("peer") / "environment", HERE / "requirements-nautilus.txt")


@pytest.mark.timeout(1_200)
def test_it_reads_every_row_and_sees_where_messages_end(python: str, archived: RecordedWorld, tmp_path: Path) -> None:
    chosen = [word for kind in KINDS for word in ("--data-type", kind)]
    assert export(archived, tmp_path / "csv", *chosen) == 0
    files = [next((tmp_path / "csv").glob(f"*_{kind}_*")) for kind in KINDS]
    said = told_by(python, HERE / "nautilus_reads.py", *files)
    levels, trades, quotes = (rows_of(tmp_path / "csv", kind) for kind in KINDS)
    assert (said["deltas"], said["messages"]) == (len(levels), len(messages(levels)))
    assert (said["trades"], said["quotes"]) == (len(trades), len(quotes))
    price, size, trade_id, at_ns = said["first_trade"]
    assert (float(price), float(size), trade_id) == (
        float(trades[0]["price"]), float(trades[0]["amount"]), trades[0]["id"],
    )  # fmt: skip
    assert at_ns == int(trades[0]["local_timestamp"]) * 1_000
    assert [float(one) for one in said["first_quote"]] == [
        float(quotes[0][name]) for name in ("bid_price", "ask_price")
    ]
