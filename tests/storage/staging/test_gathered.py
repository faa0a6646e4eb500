"""What is gathered comes back by key, from memory and from the scratch file."""

import random
from pathlib import Path

import pytest

from collector.storage.segment.blocks import Messages
from collector.storage.staging import scratch as scratch_module
from collector.storage.staging.gathered import Gathered
from collector.storage.staging.order import in_order
from collector.storage.staging.scratch import Scratch


def one(row: int, id_: int, text: bytes = b"x", series: int = 0) -> Messages:
    return Messages(3, series, [row], [id_], [row], [None], [0], [text])


@pytest.mark.parametrize("limit_bytes", [0, 5_000, 1 << 20], ids=["no memory", "some", "enough"])
@pytest.mark.parametrize("has_ids", [True, False])
def test_messages_come_back_by_key_and_in_order(tmp_path: Path, limit_bytes: int, has_ids: bool) -> None:
    ids = list(range(300))
    random.Random(7).shuffle(ids)
    with Scratch(tmp_path / "scratch", lambda: None) as scratch:
        gathered = Gathered[str](scratch, limit_bytes)
        for row, id_ in enumerate(ids, 1):
            gathered.add("ab"[row % 2], one(row, id_, series=id_ % 2), has_ids=has_ids)
        assert sorted(gathered.keys()) == ["a", "b"]
        for key, parity in (("a", 0), ("b", 1)):
            found = [
                (group.series, id_, row)
                for group in in_order((), gathered.take(key), scratch, has_ids=has_ids)
                for id_, row in zip(group.ids, group.rows, strict=True)
            ]
            expected = [(id_ % 2, id_, row) for row, id_ in enumerate(ids, 1) if row % 2 == parity]
            assert found == sorted(expected, key=lambda message: message if has_ids else message[2])
        assert gathered.keys() == []


def test_the_scratch_file_has_no_name_and_is_made_when_it_is_needed(tmp_path: Path) -> None:
    with Scratch(tmp_path / "scratch", lambda: None) as scratch:
        assert scratch._fd == -1
        ((_, place),) = scratch.write(one(1, 2, b"text"))
        assert scratch.read(place) == one(1, 2, b"text")
        assert list(tmp_path.iterdir()) == []


def test_blocks_in_the_scratch_file_are_bounded(tmp_path: Path) -> None:
    messages = Messages(1, 0)
    for row in range(1, 4_000):
        messages.extend(one(row, row, bytes(200 if row % 500 else 200_000)))
    with Scratch(tmp_path / "scratch", lambda: None) as scratch:
        written = list(scratch.write(messages))
        read = Messages(1, 0)
        for part, place in written:
            assert len(part) <= scratch_module._BLOCK_ROWS
            assert sum(map(len, part.payloads)) <= scratch_module._BLOCK_BYTES or len(part) == 1
            read.extend(scratch.read(place))
    assert read == messages
