"""Which symbols of an exchange's list a feed records."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.domain.symbol_choice import (
    KEPT_US,
    Choice,
    Instrument,
    Wanted,
    beside,
    choose,
    is_doubtful,
    lost,
    overlap,
    top_of,
)

HOUR_US = 3_600_000_000
NOW_US = 1_790_000_000_000_000


def trading(*symbols: str) -> list[Instrument]:
    return [Instrument(symbol, is_trading=True, volume=None) for symbol in symbols]


def by_volume(*symbols: str) -> list[Instrument]:
    """The first is traded most."""
    count = len(symbols)
    return [Instrument(symbol, is_trading=True, volume=float(count - rank)) for rank, symbol in enumerate(symbols)]


def chosen(wanted: Wanted, listed: Iterable[Instrument], previous: Choice | None = None, at_us: int = NOW_US) -> Choice:
    found = choose(wanted, listed, previous or Choice(), at_us)
    assert found is not None
    return found


def wanting(*entries: str, exclude: tuple[str, ...] = ()) -> Wanted:
    return Wanted(entries, exclude)


def test_a_pattern_chooses_every_symbol_of_its_form_in_alphabetical_order() -> None:
    listed = trading("ETHUSDT", "BTCUSDT", "BTCUSDC", "USDTTRY", "BTC-USD")
    assert chosen(wanting("*USDT"), listed).symbols == ("BTCUSDT", "ETHUSDT")
    assert chosen(wanting("BTC-*"), listed).symbols == ("BTC-USD",)
    assert chosen(wanting("BTCUSD?"), listed).symbols == ("BTCUSDC", "BTCUSDT")
    assert chosen(wanting("*"), listed).symbols == ("BTC-USD", "BTCUSDC", "BTCUSDT", "ETHUSDT", "USDTTRY")


@pytest.mark.parametrize("pattern", ["BTC.USDT*", "[AB]*", "btcusdt*", "*)", "*|*x", "BTC+*"])
def test_only_the_star_and_the_question_mark_have_a_meaning(pattern: str) -> None:
    assert chosen(wanting("*USDT", pattern), trading("BTCUSDT", "AXE")).symbols == ("BTCUSDT",)


def test_exact_symbols_stay_whatever_the_list_says_and_come_first() -> None:
    listed = [*trading("BTCUSDT"), Instrument("HALTED", is_trading=False, volume=None)]
    assert chosen(wanting("UNLISTED", "*USDT", "HALTED"), listed).symbols == ("UNLISTED", "HALTED", "BTCUSDT")


def test_exclude_wins_over_patterns_and_top() -> None:
    listed = by_volume("USDCUSDT", "BTCUSDT", "BTCUPUSDT", "ETHUSDT")
    wanted = wanting("top:2", "*USDT", exclude=("USDCUSDT", "*UPUSDT"))
    assert chosen(wanted, listed).symbols == ("BTCUSDT", "ETHUSDT")
    assert list(chosen(wanted, listed).ranked) == ["BTCUSDT", "ETHUSDT"]


def test_a_symbol_that_does_not_trade_is_not_chosen_and_leaves() -> None:
    before = chosen(wanting("*USDT"), trading("BTCUSDT", "LUNAUSDT"))
    halted = [*trading("BTCUSDT"), Instrument("LUNAUSDT", is_trading=False, volume=None)]
    assert before.symbols == ("BTCUSDT", "LUNAUSDT")
    assert chosen(wanting("*USDT"), halted, before).symbols == ("BTCUSDT",)
    assert chosen(wanting("*USDT"), trading("BTCUSDT"), before).symbols == ("BTCUSDT",)


def test_a_list_in_which_nothing_trades_decides_nothing() -> None:
    before = chosen(wanting("*USDT"), trading("BTCUSDT"))
    halted = [Instrument("BTCUSDT", is_trading=False, volume=None)]
    assert choose(wanting("*USDT"), [], before, NOW_US) is None
    assert choose(wanting("*USDT"), halted, before, NOW_US) is None


class TestTop:
    def test_it_chooses_the_most_traded(self) -> None:
        listed = [*by_volume("C", "A", "B"), *trading("Z")]
        assert chosen(wanting("top:2"), listed).symbols == ("A", "C")
        assert chosen(wanting("top:1", "top:2"), listed).symbols == ("A", "C")

    def test_equal_volumes_are_ordered_by_name(self) -> None:
        listed = [Instrument(symbol, is_trading=True, volume=1.0) for symbol in "DCBA"]
        assert chosen(wanting("top:2"), listed).symbols == ("A", "B")

    def test_a_symbol_stays_while_it_is_among_the_top_2n(self) -> None:
        wanted = wanting("top:2")
        before = chosen(wanted, by_volume("A", "B", "C", "D", "E"))
        later = chosen(wanted, by_volume("C", "D", "A", "B", "E"), before)
        assert later.symbols == ("A", "B", "C", "D")
        assert set(later.ranked.values()) == {0}

    def test_it_leaves_after_24_hours_outside(self) -> None:
        wanted = wanting("top:1")
        choice = chosen(wanted, by_volume("A", "B", "C"))
        for hour in range(24):
            choice = chosen(wanted, by_volume("B", "C", "A"), choice, NOW_US + hour * HOUR_US)
            assert choice.symbols == ("A", "B")
        assert chosen(wanted, by_volume("B", "C", "A"), choice, NOW_US + KEPT_US).symbols == ("B",)

    def test_a_visit_to_the_top_2n_begins_the_24_hours_again(self) -> None:
        wanted = wanting("top:1")
        choice = chosen(wanted, by_volume("A", "B", "C"))
        choice = chosen(wanted, by_volume("B", "C", "A"), choice, NOW_US)
        choice = chosen(wanted, by_volume("B", "A", "C"), choice, NOW_US + 23 * HOUR_US)
        choice = chosen(wanted, by_volume("B", "C", "A"), choice, NOW_US + 24 * HOUR_US)
        assert chosen(wanted, by_volume("B", "C", "A"), choice, NOW_US + 47 * HOUR_US).symbols == ("A", "B")

    def test_a_clock_that_was_set_back_keeps_nothing_longer(self) -> None:
        wanted = wanting("top:1")
        outside = Choice(("A", "B"), 1, {"A": NOW_US + 1_000 * HOUR_US, "B": 0})
        choice = chosen(wanted, by_volume("B", "C", "A"), outside, NOW_US)
        assert chosen(wanted, by_volume("B", "C", "A"), choice, NOW_US + KEPT_US).symbols == ("B",)

    def test_without_volumes_the_last_choice_stays(self) -> None:
        wanted = wanting("top:2")
        before = chosen(wanted, by_volume("A", "B", "C"))
        assert choose(wanted, trading("A", "B", "C"), Choice(), NOW_US) is None
        assert chosen(wanted, trading("C", "B", "A"), before) == before
        assert chosen(wanted, trading("A", "C"), before).symbols == ("A",)

    def test_another_n_chooses_anew(self) -> None:
        before = chosen(wanting("top:4"), by_volume("A", "B", "C", "D"))
        assert chosen(wanting("top:1"), by_volume("A", "B", "C", "D"), before).symbols == ("A",)

    @pytest.mark.parametrize(
        ("entry", "number"),
        [("top:1", 1), ("top:10000", 10_000), ("top:0", 0), ("top:10001", 0), ("top:", 0), ("top:-1", 0), ("top:٣", 0),
         ("top:5x", 0), ("top:99999999999", 0), ("TOP:5", None), ("stop:5", None), ("top", None)],
    )  # fmt: skip
    def test_n_is_a_whole_number_from_1_to_10000(self, entry: str, number: int | None) -> None:
        assert top_of(entry) == number


@given(st.permutations(by_volume(*(f"S{number}USDT" for number in range(12)))))
def test_the_order_of_the_list_does_not_matter(listed: list[Instrument]) -> None:
    wanted = wanting("S3USDT", "*1?USDT", "top:4", exclude=("S2*",))
    assert chosen(wanted, listed).symbols == ("S3USDT", "S0USDT", "S10USDT", "S11USDT", "S1USDT", "S4USDT")


class TestOverlap:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            (wanting("*USDT"), wanting("BTCUSDT")),
            (wanting("BTC*"), wanting("*USDT")),
            (wanting("top:5"), wanting("*USDT")),
            (wanting("top:5"), wanting("BTCUSDT")),
            (wanting("A?C"), wanting("AB*")),
            (wanting("*", exclude=("BTC*",)), wanting("*USDT")),
        ],
    )
    def test_two_feeds_that_may_bring_one_symbol_overlap(self, one: Wanted, other: Wanted) -> None:
        assert overlap(one, other) == (one.entries[0], other.entries[0])
        assert overlap(other, one) == (other.entries[0], one.entries[0])

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            (wanting("*USDT"), wanting("*USDC")),
            (wanting("*USDT"), wanting("BTCUSDC", "BTC-USD")),
            (wanting("*", exclude=("*USDT",)), wanting("*USDT")),
            (wanting("top:5", exclude=("BTC*",)), wanting("BTCUSDT")),
            (wanting("A?"), wanting("A?C")),
            (wanting("BTCUSDT"), wanting("BTCUSDT")),
        ],
    )
    def test_exclusions_and_other_forms_keep_feeds_apart(self, one: Wanted, other: Wanted) -> None:
        assert overlap(one, other) is None
        assert overlap(other, one) is None

    @given(st.text("ab*?", max_size=6), st.text("ab*?", max_size=6), st.text("ab", max_size=6))
    def test_patterns_that_both_match_a_text_overlap(self, one: str, other: str, text: str) -> None:
        if wanting(one).may_bring(text) and wanting(other).may_bring(text) and {"*", "?"} & {*one, *other}:
            assert overlap(wanting(one), wanting(other)) == (one, other)


def test_a_list_without_most_of_what_lists_brought_is_doubtful() -> None:
    wanted = wanting("EXACT", "*USDT")
    recorded = ("EXACT", "AUSDT", "BUSDT", "CUSDT", "DUSDT")
    for listed, gone in (("ABCD", ""), ("AB", "CD"), ("A", "BCD"), ("", "ABCD")):
        found = lost(wanted, trading(*(f"{letter}USDT" for letter in listed)), recorded)
        assert found == {f"{letter}USDT" for letter in gone}
        assert is_doubtful(wanted, found, recorded) == (len(gone) > 2)
    assert not is_doubtful(wanted, set(), ("EXACT",))


def test_a_symbol_that_does_not_trade_is_as_good_as_not_listed() -> None:
    halted = [Instrument("AUSDT", is_trading=False, volume=None), *trading("BUSDT")]
    assert lost(wanting("*USDT"), halted, ("AUSDT", "BUSDT")) == {"AUSDT"}


def test_of_a_doubtful_list_new_symbols_join_and_none_leaves() -> None:
    wanted = wanting("ZEXACT", "*USDT", "top:2")
    before = chosen(wanted, by_volume("ABTC", "BBTC", "AUSDT", "BUSDT", "CUSDT"))
    after = chosen(wanted, by_volume("NEWBTC", "NEWUSDT", "AUSDT"), before)
    assert beside(wanted, after, before) == before._replace(
        symbols=("ZEXACT", "ABTC", "AUSDT", "BBTC", "BUSDT", "CUSDT", "NEWUSDT")
    )
