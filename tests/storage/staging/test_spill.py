import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.storage.staging import spill as spill_module
from collector.storage.staging.spill import ARRIVAL, BY_ID, ROW_BYTES, Order, Row, Spill

TINY_BYTES = 2_000  # a handful of rows


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spill"


def fill(spill: Spill, key: str, rows: list[Row], order: Order | None) -> None:
    for row in rows:
        spill.rows_of(key, order).append(row)
        spill.note_bytes(ROW_BYTES + len(row[-1]))


def test_rows_that_fit_never_touch_the_disk(path: Path) -> None:
    rows = [(0, number, number, b"x") for number in range(100)]
    with Spill(path, 1 << 20) as spill:
        fill(spill, "a", rows, BY_ID)
        assert list(spill.take("a")) == rows
        assert not path.exists()


def test_rows_come_back_by_key_in_the_order_of_their_ids(path: Path) -> None:
    rows = [(0, number, number, b"x" * 50) for number in range(500)]
    with Spill(path, TINY_BYTES) as spill:
        for row in rows:
            fill(spill, "ab"[row[1] % 2], [row], BY_ID)
        assert path.exists()
        assert spill.waiting() == ["a", "b"]
        assert list(spill.take("b")) == rows[1::2]
        assert list(spill.take("a")) == rows[::2]
        assert spill.waiting() == []


def test_similar_messages_are_compressed_on_disk(path: Path) -> None:
    source = random.Random(7)
    rows = [
        (0, number, number, b'{"e":"trade","t":%d,"p":"64000.%02d","q":"0.%05d000","m":true,"M":true}'
         % (number, source.randrange(100), source.randrange(100_000)))
        for number in range(10_000)
    ]  # fmt: skip
    with Spill(path, 1 << 20) as spill:
        fill(spill, "a", rows, BY_ID)
        spill.note_bytes(1 << 20)
        assert path.stat().st_size < sum(len(row[-1]) for row in rows) * 0.4
        assert list(spill.take("a")) == rows


def test_the_spill_file_is_removed_with_the_spill(path: Path) -> None:
    with Spill(path, 0) as spill:
        fill(spill, "a", [(0, 0, 0, b"")], BY_ID)
        assert path.exists()
    assert not path.exists()


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30)), max_size=200))
def test_rows_are_sorted_by_id_and_equal_ids_keep_arrival(
    tmp_path_factory: pytest.TempPathFactory, keys: list[tuple[int, int]]
) -> None:
    rows: list[Row] = [(*key, number, b"x" * 100) for number, key in enumerate(keys)]
    with Spill(tmp_path_factory.mktemp("spill") / "spill", TINY_BYTES) as by_id:
        fill(by_id, "a", rows, BY_ID)
        assert list(by_id.take("a") if rows else []) == sorted(rows)
    with Spill(tmp_path_factory.mktemp("spill") / "spill", TINY_BYTES) as by_arrival:
        fill(by_arrival, "a", rows, ARRIVAL)
        assert list(by_arrival.take("a") if rows else []) == rows


def test_too_many_runs_for_one_merge_are_merged_in_steps(path: Path) -> None:
    rows = [(0, number, number, b"x" * 100) for number in range(2_000)]
    random.Random(7).shuffle(rows)
    with Spill(path, TINY_BYTES) as spill:
        fill(spill, "a", rows, BY_ID)
        size = path.stat().st_size
        assert list(spill.take("a")) == sorted(rows)
        assert path.stat().st_size > size, "the runs were to be more than one merge takes"


def test_blocks_are_bounded_whatever_the_rows(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    encode = spill_module._encode

    def counted(rows: list[Row]) -> bytes:
        written.append(len(rows))
        return encode(rows)

    monkeypatch.setattr(spill_module, "_encode", counted)
    rows = [(0, number, number, b"x" * (100_000 if number % 7 == 0 else 10)) for number in range(50)]
    with Spill(path, 4 << 20) as spill:
        fill(spill, "a", rows, BY_ID)
        spill.note_bytes(8 << 20)
        assert list(spill.take("a")) == rows
    assert max(written) == 50, "the first try takes them all"
    assert min(written) < 20, "and is halved until a block is small"


def test_rows_can_be_added_to_one_key_while_another_is_read(path: Path) -> None:
    rows = [(0, number, number, b"x" * 100) for number in range(300)]
    with Spill(path, TINY_BYTES) as spill:
        fill(spill, "a", rows, BY_ID)
        for row in spill.take("a"):
            fill(spill, "b", [row], ARRIVAL)
        assert list(spill.take("b")) == rows


def test_rows_added_late_keep_the_order_of_arrival(path: Path) -> None:
    rows = [(0, 0, number, b"x" * 100) for number in range(100)]
    with Spill(path, TINY_BYTES) as spill:
        fill(spill, "a", rows[50:], ARRIVAL)
        fill(spill, "a", rows[:50], ARRIVAL)
        assert list(spill.take("a")) == rows
