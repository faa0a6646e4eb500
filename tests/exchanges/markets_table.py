"""The tables of the documentation that say of each market what is recorded, what proves it whole and what can be mended.

`python -m tests.exchanges.markets_table` prints them; tests compare them with the pages.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from collector.domain.records import StreamKey
from collector.exchanges import registry
from collector.exchanges.adapter import Adapter
from collector.exchanges.rest_adapter import Hole

_NOTHING: Final = "-"
_WORDS: Final = {
    "book_delta": "books",
    "book_snapshot": "best levels",
    "trade": "trades",
    "agg_trade": "aggregates",
    "book_ticker": "best prices",
    "mark_price": "mark prices",
    "funding_rate": "funding",
    "open_interest": "open interest",
    "liquidation": "liquidations",
    "instrument": "instruments",
}


def proofs(exchange: str) -> dict[str, str]:
    """By data type: `ids`, `tickets`, `checksum` or nothing."""
    adapter, found = registry.adapter(exchange), {}
    for data_type, rule in adapter.id_rules.items():
        if rule.proves_continuity:
            found[data_type] = "ids"
        elif data_type in adapter.checks:
            found[data_type] = "checksums"
        elif registry.proves_whole(exchange, data_type):
            found[data_type] = "tickets"
        else:
            found[data_type] = ""
    return found


def mended(exchange: str) -> dict[str, str]:
    """By data type, how what is missing is fetched: over REST, or by subscribing again."""
    adapter, found = registry.adapter(exchange), {}
    for data_type in adapter.id_rules:
        if _has_page(adapter, data_type):
            found[data_type] = "REST"
    symbol = str(getattr(adapter, "symbol_example", "")).split(", ")[0].split(" or ")[0]
    if "book_delta" in adapter.id_rules:
        if adapter.rest is not None and adapter.rest.snapshot(symbol) is not None:
            found["book_delta"] = "REST"
        elif adapter.again((StreamKey(exchange, symbol, "book_delta"),)):
            found["book_delta"] = "a new subscription"
    return found


def _has_page(adapter: Adapter, data_type: str) -> bool:
    symbol = str(getattr(adapter, "symbol_example", "")).split(", ")[0].split(" or ")[0]
    stream = StreamKey(adapter.exchange, symbol, data_type)
    return adapter.rest is not None and adapter.rest.page(stream, Hole(1, 2, 1, 2), "") is not None


def words(data_types: Iterable[str]) -> str:
    """Data types as people say them."""
    chosen = set(data_types)
    return ", ".join(word for data_type, word in _WORDS.items() if data_type in chosen) or _NOTHING


def proof_table() -> list[str]:
    """For docs/ADD_AN_EXCHANGE.md: what proves each stream whole."""
    rows = ["| exchange | its ids | tickets of its connection | checksums | nothing |", "|---|---|---|---|---|"]
    for exchange in registry.data_types():
        proof = proofs(exchange)
        cells = [
            ", ".join(f"`{one}`" for one, how in proof.items() if how == kind) or _NOTHING
            for kind in ("ids", "tickets", "checksums", "")
        ]
        rows.append(f"| `{exchange}` | {' | '.join(cells)} |")
    return rows


def _by_means(found: Mapping[str, str], means: Iterable[str]) -> str:
    parts = [(how, [one for one, by in found.items() if by == how]) for how in means]
    return "; ".join(f"{words(data_types)} ({how})" for how, data_types in parts if data_types) or _NOTHING


def markets_table() -> list[str]:
    """For README.md."""
    rows = ["| market | recorded | proven whole | mended |", "|---|---|---|---|"]
    for exchange, data_types in registry.data_types().items():
        proof, mends = proofs(exchange), mended(exchange)
        proven = _by_means(proof, ("ids", "checksums", "tickets"))
        fetched = _by_means(mends, ("REST", "a new subscription"))
        rows.append(f"| `{exchange}` | {words(data_types)} | {proven} | {fetched} |")
    return rows


if __name__ == "__main__":
    print("\n".join([*markets_table(), "", *proof_table()]))  # noqa: T201 -- what it is for
