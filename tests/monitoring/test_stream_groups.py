import pytest

from collector.domain.records import StreamKey
from collector.monitoring.stream_groups import MAX_GROUPS, describe_streams

USDM = [
    StreamKey("binance_usdm", f"S{n}USDT", data_type)
    for data_type in ("book_delta", "book_ticker", "trade")
    for n in range(20)
]
KRAKEN = [StreamKey("kraken", f"S{n}/USD", "trade") for n in range(5)]


@pytest.mark.parametrize(
    ("streams", "text"),
    [
        (USDM[:1], "binance_usdm book_delta (S0USDT)"),
        (USDM[:40], "binance_usdm book_delta, book_ticker (all 20)"),
        (USDM[:25], "binance_usdm book_delta (all 20), book_ticker (5 of 20)"),
        (USDM[:3] + USDM[40:43], "binance_usdm book_delta, trade (S0USDT, S1USDT, S2USDT)"),
        (USDM + KRAKEN[:2], "binance_usdm (all 60 streams); kraken trade (S0/USD, S1/USD)"),
        (KRAKEN + USDM[:6], "binance_usdm book_delta (6 of 20); kraken trade (all 5)"),
        ([], ""),
    ],
)
def test_streams_are_grouped_by_exchange_and_data_type(streams: list[StreamKey], text: str) -> None:
    assert describe_streams(streams, [*USDM, *KRAKEN]) == text


def test_groups_beyond_the_largest_are_only_counted() -> None:
    silent = [
        StreamKey("binance", f"S{n}", f"type{size}") for size in range(MAX_GROUPS + 2, 0, -1) for n in range(size + 3)
    ]
    text = describe_streams(silent, [*silent, StreamKey("binance", "S0", "trade")])
    assert text == "binance type6 (all 9), type5 (all 8), type4 (all 7), type3 (all 6) and 9 more"


def test_the_length_of_the_text_does_not_grow_with_the_streams() -> None:
    configured = [
        StreamKey(f"exchange{e}", f"SYMBOL{n}", f"type{t}") for e in range(9) for t in range(9) for n in range(40)
    ]
    assert len(describe_streams(configured, configured)) < 400


def test_what_steers_a_terminal_is_escaped() -> None:
    assert describe_streams([StreamKey("binance", "B\x1b[31m", "trade")], []) == "binance trade (B\\x1b[31m)"
