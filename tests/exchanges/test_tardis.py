"""All 543 pairs of tardis-dev's tests, held against the adapters; where the two differ, and why."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from collector.exchanges import registry
from tests.exchanges.tardis import ALIKE, judged
from tests.exchanges.tardis_table import LEFT_OUT, MAPPED


@pytest.fixture(scope="module")
def pairs(data: Path) -> Mapping[str, list[dict[str, Any]]]:
    """All pairs, by their name of the exchange."""
    found: dict[str, list[dict[str, Any]]] = {}
    for line in (data / "expected" / "tardis" / "pairs.jsonl").read_text(encoding="utf-8").splitlines():
        pair = json.loads(line)
        found.setdefault(pair["messages"][-1]["exchange"], []).append(pair)
    return found


@pytest.mark.parametrize("name", MAPPED)
def test_each_pair_reads_alike_or_differs_as_said(name: str, pairs: Mapping[str, list[dict[str, Any]]]) -> None:
    their, alike, differs = MAPPED[name]
    outcomes = Counter(judged(their, pair) for pair in pairs[name])
    assert outcomes == Counter({ALIKE: alike, **{one.outcome: one.pairs for one in differs}})


def test_every_pair_is_mapped_or_of_an_exchange_that_is_left_out(pairs: Mapping[str, list[dict[str, Any]]]) -> None:
    mapped = {name: one.alike + sum(differs.pairs for differs in one.differs) for name, one in MAPPED.items()}
    left_out = {name: one.pairs for name, one in LEFT_OUT.items()}
    assert {name: len(some) for name, some in pairs.items()} == {**mapped, **left_out}
    assert (sum(mapped.values()), sum(left_out.values())) == (258, 285)
    assert not mapped.keys() & left_out.keys()
    assert not {name.replace("-", "_") for name in left_out} & set(registry.data_types())
