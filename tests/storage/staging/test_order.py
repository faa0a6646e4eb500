"""Runs of messages come out as one sequence in order, whatever overlaps, in bounded memory."""

import random
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.storage.segment.blocks import Messages
from collector.storage.staging import order
from collector.storage.staging import scratch as scratch_module
from collector.storage.staging.order import Run, in_order, run_of, sorted_messages
from collector.storage.staging.scratch import Scratch

Id = tuple[int, int]
"""Series and id."""


def messages_of(ids: Sequence[Id], rows: Sequence[int], stream_id: int = 7) -> list[Messages]:
    """A message for each, grouped by series."""
    groups: dict[int, Messages] = {}
    for (series, id_), row in zip(ids, rows, strict=True):
        group = groups.setdefault(series, Messages(stream_id, series))
        group.extend(Messages(stream_id, series, [row], [id_], [row * 10], [None], [0], [b"%d" % row]))
    return list(groups.values())


def runs_of(parts: Sequence[Messages], *, has_ids: bool) -> list[Run]:
    ready = [sorted_messages(part, has_ids=has_ids) for part in parts]
    return [run_of(part, partial(lambda same: same, part), has_ids=has_ids) for part in ready]


def told(found: Iterator[Messages]) -> list[tuple[int, int, int, bytes]]:
    """Series, id, row and text of each message."""
    return [
        message
        for group in found
        for message in zip([group.series] * len(group), group.ids, group.rows, group.payloads, strict=True)
    ]


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Scratch]:
    with Scratch(tmp_path / "scratch", lambda: None) as opened:
        yield opened


IDS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30)), max_size=120)


@given(IDS, st.integers(1, 20), st.booleans(), st.sampled_from([0, 2_000, 1 << 20]), st.integers(0, 3))
def test_messages_come_out_in_order_and_each_once(
    tmp_path_factory: pytest.TempPathFactory, ids: list[Id], size: int, has_ids: bool, limit: int, others: int
) -> None:
    rows = range(1, len(ids) + 1)
    parts = [messages_of(ids[at : at + size], rows[at : at + size]) for at in range(0, len(ids), size)]
    runs = runs_of([part for group in parts for part in group], has_ids=has_ids)
    ascending = sorted(runs[others:], key=lambda run: run.first)
    with (
        pytest.MonkeyPatch.context() as patch,
        Scratch(tmp_path_factory.mktemp("order") / "scratch", lambda: None) as scratch,
    ):
        patch.setattr(order, "MERGE_BYTES", limit)
        patch.setattr(scratch_module, "_BLOCK_ROWS", 3)
        found = told(in_order(ascending, runs[:others], scratch, has_ids=has_ids))
    expected = [(series, id_, row, b"%d" % row) for (series, id_), row in zip(ids, rows, strict=True)]
    assert found == sorted(expected, key=lambda one: one[:3] if has_ids else one[2])


def test_runs_that_do_not_overlap_pass_as_they_are(scratch: Scratch) -> None:
    (first,), (second,) = messages_of([(0, 1), (0, 2)], [5, 6]), messages_of([(0, 3), (0, 4)], [1, 2])
    found = list(in_order(runs_of([first, second], has_ids=True), (), scratch, has_ids=True))
    assert [id(group) for group in found] == [id(first), id(second)]


def test_no_run_is_loaded_before_its_first_message_is_next(scratch: Scratch) -> None:
    loaded: list[int] = []

    def load(messages: Messages) -> Messages:
        loaded.append(messages.ids[0])
        return messages

    parts = [messages_of([(0, start), (0, start + 12)], [start, start + 1])[0] for start in range(10, 100, 10)]
    runs = [run_of(part, partial(load, part), has_ids=True) for part in parts]
    ahead = [loaded[-1] - group.ids[0] for group in in_order(runs, (), scratch, has_ids=True)]
    assert max(ahead) <= 20


class Watched(order._Merge):
    """Notes the most messages that wait at a time."""

    most = 0

    def add(self, messages: Messages) -> None:
        super().add(messages)
        Watched.most = max(Watched.most, len(self._sorted) + len(self._fresh))


def test_runs_that_all_overlap_take_bounded_memory(scratch: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order, "_Merge", Watched)
    monkeypatch.setattr(order, "MERGE_BYTES", 200_000)  # some 480 messages
    monkeypatch.setattr(scratch_module, "_BLOCK_ROWS", 16)
    ids = list(range(20_000))
    random.Random(7).shuffle(ids)
    parts = [
        messages_of([(0, id_) for id_ in ids[at : at + 50]], range(at + 1, at + 51))[0] for at in range(0, 20_000, 50)
    ]
    runs = sorted(runs_of(parts, has_ids=True), key=lambda run: run.first)
    found = list(in_order(runs, (), scratch, has_ids=True))
    assert list(chain.from_iterable(group.ids for group in found)) == sorted(ids)
    assert Watched.most < 1_200


def test_equal_ids_keep_the_order_of_receipt(scratch: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order, "MERGE_BYTES", 0)
    parts = [messages_of([(0, 5)] * 4, range(at, at + 8, 2))[0] for at in (1, 2, 9, 10)]
    found = told(in_order((), runs_of(parts, has_ids=True), scratch, has_ids=True))
    assert all(before[2] < after[2] for before, after in pairwise(found))


def test_messages_out_of_order_in_a_block_are_sorted() -> None:
    (group,) = messages_of([(0, 3), (0, 1), (0, 2), (0, 1)], [1, 2, 3, 4])
    by_id = sorted_messages(group, has_ids=True)
    assert (by_id.ids, by_id.rows, by_id.payloads) == ([1, 1, 2, 3], [2, 4, 3, 1], [b"2", b"4", b"3", b"1"])
    assert sorted_messages(group, has_ids=False) is group
