"""A table of ids does what a dict does, in a seventh of the memory."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from collector.domain.sequence.id_table import IdTable

IDS = st.integers(0, 40) | st.integers(-(1 << 63), (1 << 63) - 1)
VALUES = st.integers(0, (1 << 64) - 1)
PUT = st.tuples(IDS, VALUES)
EXTEND = st.tuples(st.lists(IDS, unique=True, max_size=8) | st.integers(1, 5), VALUES)
"""Ids, or how many rising ones."""


def put(table: IdTable, model: dict[int, int], message_id: int, value: int) -> None:
    table[message_id] = model[message_id] = value


def extend(table: IdTable, model: dict[int, int], what: list[int] | int, value: int) -> None:
    last = max([0, *model])
    ids = [last + 1 + step for step in range(what)] if isinstance(what, int) else what
    new = [message_id for message_id in ids if message_id not in model and message_id < 1 << 63]
    table.extend(new, [value] * len(new))
    model |= dict.fromkeys(new, value)


@given(st.lists(st.tuples(PUT, EXTEND)), st.lists(IDS))
def test_a_table_is_a_dict(
    steps: Sequence[tuple[tuple[int, int], tuple[list[int] | int, int]]], asked: list[int]
) -> None:
    table, model = IdTable(), dict[int, int]()
    for one, more in steps:
        put(table, model, *one)
        extend(table, model, *more)
    for made in (table, IdTable(model.items())):
        assert list(made.items()) == list(model.items())
        assert len(made) == len(model)
        assert made.first_value() == next(iter(model.values()), None)
        for message_id in [*asked, *model]:
            assert (made.get(message_id), message_id in made) == (model.get(message_id), message_id in model)
        assert made.isdisjoint(asked) == model.keys().isdisjoint(asked)


@given(st.integers(1, 300), st.integers(0, 400))
def test_rising_ids_are_found(count: int, asked: int) -> None:
    table = IdTable()
    table.extend(list(range(0, 2 * count, 2)), range(count))
    assert table.get(asked) == (asked // 2 if asked % 2 == 0 and asked < 2 * count else None)
