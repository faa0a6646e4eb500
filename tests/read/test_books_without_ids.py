"""What the documentation says of books without ids holds for recorded ones."""

import json
import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from collector.domain.records import IdRule, StreamKey
from collector.domain.text_book import TextBook
from collector.exchanges import registry
from collector.read.books.book import Level
from collector.storage.segment.sealed_segment import open_sealed
from collector.storage.store.directory import DirectoryStore
from tests.conftest import Lines
from tests.exchanges.recorded_markets import MARKETS, recording
from tests.storage.archive.archive_files import IDS
from tests.storage.segment.segment_files import Message, make_segment
from tests.storage.staging.staged_files import stage

ROOT = Path(__file__).resolve().parents[2]
RULES = (ROOT / "docs/OPERATIONS.md").read_text("utf-8").split("\n### Books without ids\n")[1].split("\n### ")[0]
NO_IDS = {name for name in registry.data_types() if registry.adapter(name).id_rules.get("book_delta") is IdRule.NONE}


def recorded_books(recorded: Lines) -> dict[StreamKey, list[Message]]:
    """Each book of Kraken's recording, its rows with the ids that the writer makes."""
    (market,) = (market for market in MARKETS if market.exchange == "kraken")
    found = recording(market, recorded)
    decode = market.adapter.decoder(found.subscription)
    books: dict[StreamKey, list[Message]] = {}
    for number, (at_us, frame) in enumerate(found.frames):
        for one in decode(frame):
            if one.stream.data_type == "book_delta":
                second_us = at_us - at_us % 1_000_000  # frames read together have one time
                books.setdefault(one.stream, []).append((0, 0, number, second_us, one.exchange_us, 0, one.payload))
    return books


def archived(folder: Path, stream: StreamKey, parts: list[list[Message]]) -> list[Path]:
    """The files of so many segments, an hour apart."""
    store = DirectoryStore(folder)
    for number, part in enumerate(parts):
        previous = IDS[number - 1] if number else ""
        base = folder.parent / IDS[number]
        rules = {"book_delta": "none"}
        path = make_segment(
            base, [stream], part, segment_id=IDS[number], previous_segment=previous, id_rules=rules, commit_rows=40
        )
        with open_sealed(path) as segment:
            files, _ = stage(segment, registry.adapter, base, lambda: None)
        for file in files:
            store.put(file.object.key, file.path, file.object.sha256)
    return sorted(folder.rglob("*.parquet"))


def test_the_page_names_the_exchanges_whose_books_have_no_ids() -> None:
    named = re.match(r"\n(.*?) number no update", RULES, re.DOTALL)
    assert named is not None
    assert set(re.findall(r"`(\w+)`", named[1])) == NO_IDS


@pytest.mark.parametrize("place", range(3))
def test_the_pages_example_rebuilds_krakens_book_as_its_checksums_say(
    recorded: Lines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], place: int
) -> None:
    stream, messages = sorted(recorded_books(recorded).items())[place]
    files = archived(tmp_path / "data/archive", stream, [messages[:70], messages[70:150], messages[150:]])
    times = [row["received_at"] for path in files for row in pq.read_table(path).to_pylist()]
    assert len(set(times)) < len(times), "they cannot be sorted by it"
    (example,) = re.findall(r"```python\n(.*?)```", RULES, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    symbol = files[0].parents[1].name
    names: dict[str, Any] = {}
    exec(example.replace("symbol=BTC%2FUSD", symbol), names)
    bids, asks = expected(messages)
    assert capsys.readouterr().out == f"{(bids[0], asks[0])} {bids[:10]}\n"
    assert (names["book"].bids.top(1_000), names["book"].asks.top(1_000)) == (bids, asks)


def expected(messages: list[Message]) -> list[list[Level]]:
    """All bids and asks of a book that agrees with the last checksum, read by the exchange's own rule."""
    check = registry.adapter("kraken").checks["book_delta"]
    book = TextBook(check.depth)
    for *_, payload in messages:
        update = check.read(payload)
        if update.is_snapshot:
            book = TextBook(check.depth)
        book.apply(update.bids, update.asks)
    assert check.digest(book.bids.best(check.levels), book.asks.best(check.levels)) == last_checksum(messages)
    return [[(float(price), float(size)) for price, size in side.best(1_000)] for side in (book.bids, book.asks)]


def last_checksum(messages: list[Message]) -> Any:
    return json.loads(messages[-1][-1])["data"][0]["checksum"]
