"""Numbers as exchanges send them, and as they had better not; and where they stand in a row."""

from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from collector.domain.records import BookRow, BookTickerRow

NOT_FINITE_DECIMALS = ["abc", "", "NaN", "nan", "inf", "-Infinity", "1e999", "-1e999", "1_0", " 1", "٣", "0x1", "null"]


digits = st.text("0123456789", min_size=1, max_size=25)
decimals = st.builds("{}{}.{}{}".format, st.sampled_from(["", "-"]), st.integers(0, 10**22), digits, st.just("")) | (
    st.builds("{}e{}".format, st.integers(-(10**22), 10**22), st.integers(-345, 310))
)


anything = st.one_of(
    decimals,
    st.text(max_size=5),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.none(),
    st.sampled_from([*NOT_FINITE_DECIMALS, "1.5", "77", "true"]),
    st.lists(st.lists(st.one_of(decimals, st.integers(), st.floats(), st.none()), max_size=3), max_size=3),
)


def numbers_of(row: Any) -> Iterator[float | None]:
    """The row's doubles in the order of `decimals`: a level's price stands beside its size."""
    if isinstance(row, BookRow):
        for prices, sizes in ((row.bid_prices, row.bid_sizes), (row.ask_prices, row.ask_sizes)):
            for level in zip(prices, sizes, strict=True):
                yield from level
    elif isinstance(row, BookTickerRow):
        yield from row[1:]
    else:
        yield from (row.price, row.size)
