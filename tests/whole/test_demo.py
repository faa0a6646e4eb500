"""The demonstration, and the queries of the README on what it wrote."""

import io
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from tests.tutorial import tutorial
from tests.whole.running import ROOT, wait_for

README = (ROOT / "README.md").read_text("utf-8")


TYPES = ("agg_trade", "book_delta", "book_snapshot", "book_ticker", "trade")
SYMBOLS = ("BTCUSDT", "ETHUSDT")
DEADLINE_SECS = 200


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder in which the demonstration ran until it had archived of everything, and what it said."""
    folder = tmp_path_factory.mktemp("demo")
    (folder / "data").symlink_to(folder / "data-demo")
    with (folder / "said").open("w", encoding="utf-8") as said:
        command = [sys.executable, str(ROOT / "supervisor.py"), "--demo"]
        process = subprocess.Popen(command, cwd=folder, stdout=said)
    try:
        wait_for(lambda: process.poll() is not None or has_everything(folder / "data-demo/archive"), DEADLINE_SECS)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
    return folder, (folder / "said").read_text("utf-8")


def has_everything(archive: Path) -> bool:
    """Whether rows of every stream are archived, and the ledger's row of a gap that was mended."""
    places = [f"data_type={data_type}/symbol={symbol}" for data_type in TYPES for symbol in SYMBOLS]
    return all(any(archive.glob(f"*/{place}/*/*.parquet")) for place in places) and repaired(archive) != set()


def repaired(archive: Path) -> set[str]:
    """The first trade of each gap of which the last word is that it is mended."""
    if not any(archive.glob("*/data_type=gap/**/*.parquet")):
        return set()
    rows = polars_rows(f"""
        SELECT expected_id, status FROM read_parquet('{archive}/*/data_type=gap/**/*.parquet')
        WHERE stream_type = 'trade' QUALIFY row_number() OVER (PARTITION BY gap_id ORDER BY detected_at DESC) = 1
    """)
    return {expected_id for expected_id, status in rows if status == "repaired"}


def polars_rows(query: str) -> list[tuple[Any, ...]]:
    # DuckDB's own fetch wants pytz for times with a zone.
    result = duckdb.sql(query)
    assert result is not None
    return pl.DataFrame(result.to_arrow_table()).rows()


def code_of(language: str, word: str = "") -> str:
    """The first code of a language that has this word."""
    blocks: list[str] = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    return next(code for code in blocks if word in code)


def test_the_demonstration_says_what_was_written_and_where(demo: tuple[Path, str]) -> None:
    folder, said = demo
    assert f"{folder}/data-demo/archive" in said
    for data_type in TYPES:
        assert re.search(rf"{data_type} +\d+ +[\d,]+ +[\d,]+", said)
    assert re.search(r"Fetched over REST: \d+ whole books?, and the trades of [1-9]\d* gaps?\.", said)


def test_messages_the_demo_exchange_leaves_out_are_repaired(demo: tuple[Path, str]) -> None:
    archive = demo[0] / "data-demo/archive"
    fetched = polars_rows(
        f"SELECT trade_id FROM read_parquet('{archive}/*/data_type=trade/**/*.parquet') WHERE line = -1"
    )
    assert set() < repaired(archive) <= {trade_id for (trade_id,) in fetched}


def test_the_demos_gaps_are_called_on_purpose(demo: tuple[Path, str]) -> None:
    tool = [sys.executable, str(ROOT / "scripts/show_gaps.py"), str(demo[0] / "data-demo/archive")]
    said = subprocess.run(tool, capture_output=True, text=True, check=True, encoding="utf-8").stdout
    assert "exchange leaves out messages of binance BTCUSDT trade on purpose" in said
    assert re.search(r"UTC binance exchange \(sequence\), .* repaired.*, on purpose \(demo\)", said)


def test_the_query_the_demo_shows_runs(demo: tuple[Path, str]) -> None:
    _, said = demo
    query = said[said.index("SELECT") :]
    rows = polars_rows(query)
    assert {row[0] for row in rows} == {"BTCUSDT", "ETHUSDT"}


def test_the_duckdb_query_of_the_readme_runs(demo: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(demo[0])
    rows = polars_rows(code_of("sql"))
    assert {row[1] for row in rows} == {"buy", "sell"}
    assert all(row[2] > 0 and row[3] > 0 for row in rows)


def test_the_polars_query_of_the_readme_runs(demo: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(demo[0])
    code = code_of("python").strip().removeprefix("import polars as pl").strip()
    frame = eval(code, {"pl": pl})
    assert frame.columns == ["received_at", "bid", "ask"]
    assert frame.height > 0
    assert (frame["bid"] < frame["ask"]).all()


def test_the_two_lines_of_the_readme_print_the_last_book(
    demo: tuple[Path, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(demo[0])
    code = code_of("python", "collector.read")
    assert len([line for line in code.splitlines() if line]) == 2
    exec(code, {})
    printed = capsys.readouterr().out
    bids, asks = ([float(price) for price in re.findall(r"\(([\d.]+),", side)] for side in levels(printed))
    assert len(bids) == len(asks) == 5
    assert [*sorted(bids), *asks] == sorted(bids + asks)
    assert "verified=True" in printed


def test_the_tutorial_draws_the_demo(demo: tuple[Path, str]) -> None:
    docs = demo[0] / "docs"
    docs.mkdir()
    with tutorial(docs) as figures:
        *_, everything = figures
        everything.savefig(io.BytesIO(), dpi=50)


def levels(printed: str) -> tuple[str, str]:
    """The two lists of levels of a book that is printed."""
    match = re.search(r"bids=\[(.*?)\], asks=\[(.*?)\]", printed)
    assert match is not None
    return match[1], match[2]


def test_the_sqlite_view_of_the_readme_runs(demo: tuple[Path, str]) -> None:
    command = re.search(r"select \* from snapshots limit 5", README)
    assert command is not None
    (opened,) = (demo[0] / "data-demo/segments").glob("*.open.db")
    import sqlite3  # noqa: PLC0415 -- only here

    db = sqlite3.connect(f"file:{opened}?mode=ro", uri=True)
    names = [column[0] for column in db.execute(command[0]).description]
    db.close()
    assert names == ["id", "exchange", "symbol", "data_type", "exchange_sequence_id", "timestamp"]
