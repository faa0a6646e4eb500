"""The list of exchanges, and the page that describes them."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.domain.errors import ConfigError
from collector.domain.records import ROW_TYPES, StreamKey
from collector.exchanges import registry
from collector.exchanges.rest_adapter import Hole
from tests.exchanges.markets_table import markets_table, proof_table

GUIDE = Path(__file__).parents[2] / "docs" / "ADD_AN_EXCHANGE.md"


def table(heading: str) -> list[dict[str, str]]:
    """The rows of all exchanges' tables behind a heading, by the names of the columns."""
    found = []
    for page in sorted((GUIDE.parent / "exchanges").glob("*.md")):
        section = page.read_text("utf-8").split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
        lines = [line for line in section.splitlines() if line.startswith("|")]
        if lines:
            header, _, *rows = ([cell.strip().strip("`") for cell in line.split("|")[1:-1]] for line in lines)
            found += [dict(zip(header, row, strict=True)) for row in rows]
    return found


def requests(exchange: str) -> Iterator[tuple[str, str, str, str, str]]:
    """What can be asked of an exchange's REST side, as the guide's table has it."""
    rest = registry.adapter(exchange).rest
    if rest is None:
        return
    pages = {
        name: rest.page(StreamKey(exchange, "X", name), Hole(1, 2), "") for name in registry.data_types()[exchange]
    }
    for wanted, get in {"a book": rest.snapshot("X"), **pages}.items():
        if get is not None:
            path = get.target.partition("?")[0]
            budget = f"{rest.limits.weight} in {rest.limits.window_secs:g} s"
            yield exchange, wanted, path, str(get.weight), budget


def test_every_exchange_gives_its_adapter() -> None:
    assert "binance" in registry.data_types()
    for exchange, data_types in registry.data_types().items():
        adapter = registry.adapter(exchange)
        assert adapter.exchange == exchange
        assert tuple(adapter.id_rules) == data_types


def test_every_data_type_has_a_row_type() -> None:
    for data_types in registry.data_types().values():
        assert set(data_types) <= set(ROW_TYPES)


def test_an_unknown_exchange_is_a_configuration_error() -> None:
    with pytest.raises(
        ConfigError, match="exchange = 'bínance': is unknown; must be one of binance".replace("í", r"\\xed")
    ):
        registry.adapter("bínance")


def test_the_guide_lists_every_data_type_with_its_id_rule() -> None:
    offered = {
        (exchange, data_type): registry.adapter(exchange).id_rules[data_type].value
        for exchange, data_types in registry.data_types().items()
        for data_type in data_types
    }
    rows = table("What is recorded")
    assert {(row["exchange"], row["data type"]): row["rule"] for row in rows} == offered


def test_the_guide_lists_every_rest_request_and_no_other() -> None:
    rows = table("What can be fetched later")
    told = [tuple(row[name] for name in ("exchange", "for", "request", "weight", "budget")) for row in rows]
    assert sorted(told) == sorted(request for exchange in registry.data_types() for request in requests(exchange))


def test_every_link_of_the_guide_leads_somewhere() -> None:
    links = re.findall(r"\]\((\.\.?/[^)#]+)", GUIDE.read_text("utf-8"))
    assert links
    for link in links:
        assert (GUIDE.parent / link).exists(), link


def test_what_proves_a_stream_whole_is_said_for_each_data_type() -> None:
    for exchange, data_types in registry.data_types().items():
        adapter = registry.adapter(exchange)
        for data_type in data_types:
            proved = registry.proves_whole(exchange, data_type)
            if adapter.id_rules[data_type].proves_continuity or data_type in adapter.checks:
                assert proved
            elif not adapter.has_tickets:
                assert not proved
    assert not registry.proves_whole("binance", "weather")
    assert not registry.proves_whole("nowhere", "trade")


def test_the_tables_of_markets_say_what_the_adapters_say() -> None:
    """They are printed by `python -m tests.exchanges.markets_table`."""
    readme = (GUIDE.parents[1] / "README.md").read_text("utf-8")
    assert "\n".join(markets_table()) in readme
    assert "\n".join(proof_table()) in GUIDE.read_text("utf-8")
