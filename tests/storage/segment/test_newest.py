"""A start reads each stream's newest messages, and of older blocks none."""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from collector.domain.errors import DamagedError
from collector.storage.segment.blocks import OWN_TEXT_BYTES, BlockDecoder, Messages
from collector.storage.segment.open_segment import OpenSegment
from collector.storage.segment.seal import create_segment
from collector.storage.segment.state import EMPTY_STATE, Commit, StreamRow
from tests.storage.segment.segment_rows import Row, messages_of, rows_of

ID = "20260101T000000Z-000001"
META = {"segment_id": ID, "previous_segment": "", "host": "h", "opened_at": "1"}
BIG, SMALL, RARE = 1, 2, 3
TEXT = {BIG: bytes(OWN_TEXT_BYTES), SMALL: b"small", RARE: b"rare"}


class Filled:
    """A segment that gets a message each of BIG and SMALL with every commit."""

    def __init__(self, folder: Path) -> None:
        create_segment(folder / f"{ID}.open.db", META, EMPTY_STATE)
        self.segment = OpenSegment(folder / f"{ID}.open.db")
        self.last: dict[int, int] = {}

    def commit(self, *more: int, line: int = 0, recents: dict[int, bytes] | None = None) -> None:
        first = self.segment.next_row
        rows: list[Row] = [
            (row, stream, 0, 100 + row, 1_000 * row, None, line, TEXT[stream])
            for row, stream in enumerate([BIG, SMALL, *more], first)
        ]
        self.last |= {row[1]: row[0] for row in rows}
        streams = [StreamRow(n, "x", str(n), "trade", "f", "dense", b"", last) for n, last in self.last.items()]
        self.segment.store(Commit(messages_of(rows), [], [], streams, {}, [], recents=recents or {}))

    def read(self, counts: dict[int, int]) -> Counter[int]:
        """How many messages of each stream are read if `counts` are enough."""
        blocks = self.segment.newest(lambda stream, count, _oldest_us: count >= counts[stream])
        rows = [row for block in blocks for row in rows_of(block)]
        assert [row[0] for row in rows if row[1] == BIG] == sorted(row[0] for row in rows if row[1] == BIG)
        return Counter(row[1] for row in rows)


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Filled]:
    filled = Filled(tmp_path)
    yield filled
    filled.segment.close()


def test_each_stream_is_read_as_far_back_as_it_needs(filled: Filled) -> None:
    for number in range(50):
        filled.commit(*([RARE] if number in {3, 30} else []))
    assert filled.read({BIG: 4, SMALL: 7, RARE: 1}) == {BIG: 4, SMALL: 7, RARE: 1}
    assert filled.read({BIG: 4, SMALL: 7, RARE: 2}) == {BIG: 4, SMALL: 7, RARE: 2}
    assert filled.read({BIG: 999, SMALL: 1, RARE: 1}) == {BIG: 50, SMALL: 1, RARE: 1}


def test_nothing_older_is_decoded(filled: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(50):
        filled.commit(*([RARE] if number == 49 else []))
    decoded: list[list[Messages]] = []
    real = BlockDecoder.messages

    def messages(decoder: BlockDecoder, *block: Any) -> list[Messages]:
        decoded.append(real(decoder, *block))
        return decoded[-1]

    monkeypatch.setattr(BlockDecoder, "messages", messages)
    filled.read({BIG: 4, SMALL: 7, RARE: 5})
    assert len(decoded) == 4 + 7


def test_ids_that_were_written_end_the_search(filled: Filled) -> None:
    for _ in range(20):
        filled.commit(RARE)
    filled.commit(recents={RARE: b"ids", SMALL: b"ids"})
    assert filled.segment.load().recents == {RARE: b"ids", SMALL: b"ids"}
    for _ in range(3):
        filled.commit()
    assert filled.read({BIG: 2, SMALL: 9, RARE: 9}) == {BIG: 2, SMALL: 3}


def test_backfilled_messages_do_not_count(filled: Filled) -> None:
    filled.commit()
    for _ in range(5):
        filled.commit(line=-1)
    assert filled.read({BIG: 1, SMALL: 1}) == {BIG: 6, SMALL: 6}


def test_a_stream_of_an_earlier_segment_is_not_searched(filled: Filled) -> None:
    filled.commit()
    with closing(sqlite3.connect(filled.segment.path)) as db:
        db.execute("INSERT INTO streams VALUES (9, 'x', '9', 'trade', 'f', 'dense', x'', NULL, 5, 5)")
        db.commit()
    assert filled.read({BIG: 1, SMALL: 1}) == {BIG: 1, SMALL: 1}


@pytest.mark.parametrize(
    "change",
    ["DELETE FROM block_streams WHERE block = 4", "DELETE FROM block_streams WHERE stream_id = 3 AND block = 4"],
)
def test_a_block_that_has_other_streams_than_listed_is_damage(filled: Filled, change: str) -> None:
    filled.commit(RARE)
    filled.commit(RARE)
    with closing(sqlite3.connect(filled.segment.path)) as db:
        assert db.execute(change).rowcount > 0
        db.commit()
    with pytest.raises(DamagedError, match="block 4"):
        filled.read({BIG: 9, SMALL: 9, RARE: 9})


def test_a_damaged_block_is_told(filled: Filled) -> None:
    filled.commit()
    with closing(sqlite3.connect(filled.segment.path)) as db:
        db.execute("UPDATE blocks SET payloads = x'00'")
        db.commit()
    with pytest.raises(DamagedError, match="block cannot be read"):
        filled.read({BIG: 1, SMALL: 1})
