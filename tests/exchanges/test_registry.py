"""The list of exchanges, and the page that describes them."""

import re
from pathlib import Path

import pytest

from collector.domain.errors import ConfigError
from collector.domain.records import ROW_TYPES
from collector.exchanges import registry

GUIDE = Path(__file__).parents[2] / "docs" / "ADD_AN_EXCHANGE.md"


def documented_rules() -> dict[tuple[str, str], str]:
    """The rule of each exchange and data type in the guide's table."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in GUIDE.read_text().splitlines() if "|" in line]
    header = rows[0]
    place = {name: header.index(name) for name in ("exchange", "data type", "rule")}
    return {
        (row[place["exchange"]].strip("`"), row[place["data type"]].strip("`")): row[place["rule"]]
        for row in rows[2:]
        if len(row) == len(header)
    }


def test_every_exchange_gives_its_adapter() -> None:
    assert "binance" in registry.data_types()
    for exchange, data_types in registry.data_types().items():
        adapter = registry.adapter(exchange)
        assert adapter.exchange == exchange
        assert tuple(adapter.id_rules) == data_types


def test_every_data_type_has_a_row_type() -> None:
    for data_types in registry.data_types().values():
        assert set(data_types) <= set(ROW_TYPES)


def test_an_unknown_exchange_is_a_fault_of_the_configuration() -> None:
    with pytest.raises(
        ConfigError, match="exchange = 'bínance': is not known; must be one of binance".replace("í", r"\\xed")
    ):
        registry.adapter("bínance")


def test_the_guide_tells_the_id_rule_of_every_exchange_and_data_type_and_of_no_other() -> None:
    offered = {
        (exchange, data_type): registry.adapter(exchange).id_rules[data_type].value
        for exchange, data_types in registry.data_types().items()
        for data_type in data_types
    }
    assert documented_rules() == offered


def test_the_guides_links_lead_somewhere() -> None:
    links = re.findall(r"\]\((\.\.?/[^)#]+)", GUIDE.read_text())
    assert links
    for link in links:
        assert (GUIDE.parent / link).exists(), link
