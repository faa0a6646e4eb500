"""Blocks: messages go in and come out the same, whatever shares a block with what, and damage is told."""

import random
from itertools import chain
from typing import Any

import msgspec
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from collector.domain.errors import DamagedError
from collector.storage.segment.blocks import (
    MAX_MESSAGES,
    MAX_TEXT_BYTES,
    OWN_TEXT_BYTES,
    SHARED_TEXT_BYTES,
    Block,
    BlockDecoder,
    BlockEncoder,
    Messages,
)
from tests.storage.segment.segment_rows import Row, messages_of, rows_of

INTEGERS = st.integers(-(1 << 63), (1 << 63) - 1)
MESSAGES = st.tuples(
    st.integers(0, 5), st.integers(0, 2), INTEGERS, INTEGERS, st.none() | INTEGERS, st.integers(-1, 127),
    st.binary(max_size=30) | st.sampled_from([OWN_TEXT_BYTES, SHARED_TEXT_BYTES, MAX_TEXT_BYTES // 3]).map(bytes),
)  # fmt: skip


def encoded(rows: list[Row]) -> list[Block]:
    return list(BlockEncoder().blocks(messages_of(rows)))


def decoded(blocks: list[Block]) -> list[Row]:
    decoder = BlockDecoder()
    return rows_of(chain.from_iterable(decoder.messages(block.columns, block.payloads) for block in blocks))


def row(number: int, stream_id: int, payload: bytes, line: int = 0) -> Row:
    return (number, stream_id, 0, 100 + number, 5_000_000 - number, None, line, payload)


@given(st.lists(MESSAGES, max_size=30))
def test_messages_come_out_as_they_went_in(messages: list[tuple[int, int, int, int, int | None, int, bytes]]) -> None:
    rows = [(number, *message) for number, message in enumerate(messages, 1)]
    blocks = encoded(rows)
    assert decoded(blocks) == rows
    assert sum(block.rows for block in blocks) == len(rows)


@given(st.lists(MESSAGES, max_size=30))
def test_a_block_says_what_is_in_it(messages: list[tuple[int, int, int, int, int | None, int, bytes]]) -> None:
    for block in encoded([(number, *message) for number, message in enumerate(messages, 1)]):
        rows = decoded([block])
        assert (block.first_row, block.rows) == (min(rows)[0], len(rows))
        assert (block.received_min, block.received_max) == (min(row[4] for row in rows), max(row[4] for row in rows))
        assert sum(len(row[7]) for row in rows) <= MAX_TEXT_BYTES or len(rows) == 1
        if block.stream_id is None:
            counts = {stream_id: sum(row[1] == stream_id for row in rows) for stream_id, _ in block.shared}
            assert dict(block.shared) == counts
            assert {row[1] for row in rows} == counts.keys()
            assert (block.series, block.id_min, block.id_max) == (None, None, None)
        else:
            assert {(row[1], row[2]) for row in rows} == {(block.stream_id, block.series)}
            assert (block.id_min, block.id_max) == (min(row[3] for row in rows), max(row[3] for row in rows))


def test_a_stream_with_much_text_has_its_own_block_and_small_ones_share() -> None:
    small = [row(number, number, b"x" * 100) for number in range(1, 10)]
    blocks = encoded([*small, row(10, 4_000, bytes(OWN_TEXT_BYTES))])
    assert [(block.stream_id, block.rows) for block in blocks] == [(4_000, 1), (None, 9)]
    assert blocks[1].shared == [(number, 1) for number in range(1, 10)]


def test_streams_share_blocks_with_their_neighbours_by_id() -> None:
    numbers = list(range(1, 201))
    random.Random(7).shuffle(numbers)
    blocks = encoded([row(place, number, bytes(2_000)) for place, number in enumerate(numbers, 1)])
    shared = [stream_id for block in blocks for stream_id, _ in block.shared]
    assert shared == sorted(numbers)
    assert len(blocks) == -(-200 // (SHARED_TEXT_BYTES // 2_000))


def test_messages_that_came_over_a_socket_are_counted_apart() -> None:
    (block,) = encoded([row(1, 1, b"a"), row(2, 1, b"b", line=-1), row(3, 2, b"c")])
    assert BlockDecoder().live(block.columns) == {1: 1, 2: 1}


def test_late_messages_are_known_as_such_and_not_counted_as_live() -> None:
    late, live = Messages(1, 0, [1], [5], [7], [None], [16], [b"late"], is_late=True), messages_of([row(2, 1, b"live")])
    (block,) = BlockEncoder().blocks([late, *live])
    read = BlockDecoder()
    assert read.live(block.columns) == {1: 1}
    assert [found.is_late for found in read.messages(block.columns, block.payloads)] == [True, False]
    assert [part.is_late for part in late.parts(1, 1)] == [True]


@pytest.mark.parametrize("part", ["columns", "payloads"])
def test_no_changed_byte_goes_unnoticed(part: str) -> None:
    (block,) = encoded([row(number, 1, b'{"price":"%d"}' % number) for number in range(1, 60)])
    whole = decoded([block])
    packed: bytes = getattr(block, part)
    for index in range(len(packed)):
        for changed in (packed[:index] + bytes([packed[index] ^ 0x41]) + packed[index + 1 :], packed[:index]):
            change: dict[str, Any] = {part: changed}
            try:
                assert decoded([block._replace(**change)]) == whole
            except DamagedError:
                continue


def test_a_block_that_claims_to_be_huge_takes_no_memory() -> None:
    (block,) = encoded([row(1, 1, b"x")])
    huge = b"\x28\xb5\x2f\xfd\xe0" + (1 << 60).to_bytes(8, "little") + b"\x01\x00\x00"
    with pytest.raises(DamagedError, match="says that it has"):
        decoded([block._replace(payloads=huge)])


@pytest.mark.parametrize("value", [1 << 63, -1])
def test_numbers_that_cannot_be_are_damage(value: int) -> None:
    (block,) = encoded([row(1, 1, b"x"), row(2, 1, b"yy")])
    plain = msgspec.msgpack.decode(zstandard.ZstdDecompressor().decompress(block.columns))
    for column, place in ((0, 0), (1, 0), (6, 1)):
        changed = [list(values) for values in plain]
        changed[column][place] = [1, 0, value] if column == 0 else value
        packed = zstandard.ZstdCompressor().compress(msgspec.msgpack.encode(changed))
        with pytest.raises(DamagedError):
            decoded([block._replace(columns=packed)])


@pytest.mark.parametrize("streams", [1, 9])
def test_no_block_has_more_messages_than_a_reader_takes(streams: int) -> None:
    rows = [row(number, number % streams, b"") for number in range(1, 3 * MAX_MESSAGES)]
    blocks = encoded(rows)
    assert max(block.rows for block in blocks) <= MAX_MESSAGES
    assert decoded(blocks) == rows


def test_columns_of_different_lengths_are_damage() -> None:
    one, two = encoded([row(1, 1, b"ab")]), encoded([row(1, 1, b"a"), row(2, 1, b"b")])
    assert decoded([one[0]._replace(payloads=two[0].payloads)]) == [row(1, 1, b"ab")]
    with pytest.raises(DamagedError, match="lengths"):
        decoded([one[0]._replace(payloads=encoded([row(1, 1, b"abc")])[0].payloads)])


def test_no_messages_make_no_block() -> None:
    assert list(BlockEncoder().blocks([])) == []
    assert list(BlockEncoder().blocks([Messages(1, 0)])) == []
