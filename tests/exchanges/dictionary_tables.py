"""The tables of docs/DATA_DICTIONARY.md that follow from the code: which columns there are, who fills them, what orders
rows and what proves them whole.

`python -m tests.exchanges.dictionary_tables` prints those by exchange; tests compare all of them with the page.
"""

from collections.abc import Iterator
from typing import Any, Final

from collector.domain.records import GAP, ROW_TYPES, UNDECODED, IdRule, StreamKey
from collector.exchanges import registry
from collector.read.reading import id_columns
from collector.storage.archive.schema import COMMON_SCHEMA, SCHEMA_VERSION, schema_of
from tests.exchanges.markets_table import proofs

_SHORT: Final = {"timestamp[us, tz=UTC]": "timestamp[us, UTC]", "list<item: double>": "list<double>"}
_NOTHING: Final = "nothing"


def columns_of(data_type: str) -> dict[str, str]:
    """The columns of a data type besides those of every row, each with its type; all of those of gaps."""
    schema = schema_of(data_type, SCHEMA_VERSION)
    assert schema is not None
    common = () if data_type == GAP else COMMON_SCHEMA.names
    return {field.name: type_name(field.type) for field in schema if field.name not in common}


def type_name(kind: Any) -> str:
    """An Arrow type as the page writes it."""
    return _SHORT.get(str(kind), str(kind))


def data_types() -> tuple[str, ...]:
    """Every data type that has files."""
    return (*ROW_TYPES, UNDECODED, GAP)


def offering(data_type: str) -> list[str]:
    """The exchanges that send a data type."""
    return [exchange for exchange, offered in registry.data_types().items() if data_type in offered]


def filled(exchange: str, data_type: str) -> set[str]:
    """The columns that a message of this exchange may fill."""
    rows: Any = registry.adapter(exchange).rows  # type: ignore[attr-defined]  # all are Markets
    found = [set(readers.filled) for readers in rows[data_type]]
    assert all(found), f"{exchange} {data_type}: one of its readers does not say which columns it fills"
    return set().union(*found)


def order_table(data_type: str) -> list[str]:
    """What orders the rows of a data type, and what proves that none is missing; exchanges that are alike share a row."""
    alike: dict[tuple[str, str, str], list[str]] = {}
    for exchange in offering(data_type):
        rule = registry.adapter(exchange).id_rules[data_type]
        facts = rule.value, _order(exchange, data_type), _proof(exchange, data_type, rule)
        alike.setdefault(facts, []).append(exchange)
    head = ["| exchange | ids are | order of rows | proof that none is missing |", "|---|---|---|---|"]
    return [*head, *(f"| {_named(names, data_type)} | {' | '.join(facts)} |" for facts, names in alike.items())]


def empty_table(data_type: str) -> list[str]:
    """The columns that are null in every row of some exchange; no line if there are none."""
    empty = {
        column: [exchange for exchange in offering(data_type) if column not in filled(exchange, data_type)]
        for column in ROW_TYPES[data_type]._fields
    }
    head = ["| column | null in every row of |", "|---|---|"]
    rows = [f"| `{column}` | {_named(names, data_type)} |" for column, names in empty.items() if names]
    return [*head, *rows] if rows else []


def _named(exchanges: list[str], data_type: str) -> str:
    """Exchanges by name, or those that are left out of all, if they are fewer."""
    others = [exchange for exchange in offering(data_type) if exchange not in exchanges]
    if len(others) >= len(exchanges):
        return _list(exchanges)
    return f"all but {_list(others)}" if others else "all"


def _list(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _order(exchange: str, data_type: str) -> str:
    column = _id_column(exchange, data_type)
    return "as received" if column is None else f"`series`, `{column}`"


def _id_column(exchange: str, data_type: str) -> str | None:
    """The column that orders rows: of those that hold an id the first that the exchange fills."""
    candidates = id_columns(StreamKey(exchange, "", data_type))
    return next((name for name in candidates if name in filled(exchange, data_type)), None)


def _proof(exchange: str, data_type: str, rule: IdRule) -> str:
    how = proofs(exchange)[data_type]
    if how == "checksums":
        return "the exchange's checksums, while it records"
    if how == "tickets":
        return "the count of its connection's frames, while it records"
    if how != "ids":
        return _NOTHING
    column, fills = _id_column(exchange, data_type), filled(exchange, data_type)
    if rule is IdRule.CHAINED:
        return f"`previous_id` is `{column}` of the row before"
    if "first_id" in fills:
        return f"`first_id` is `{column}` of the row before + 1"
    return f"`{column}` is that of the row before + 1"


def printed() -> Iterator[str]:
    """All tables by exchange, each below the heading of its data type."""
    for data_type in ROW_TYPES:
        yield from (f"## {data_type}", "", *order_table(data_type), "", *empty_table(data_type), "")


if __name__ == "__main__":
    print("\n".join(printed()))  # noqa: T201 -- what it is for
