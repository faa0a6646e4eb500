"""Symbols are shared out over edges evenly, the same way on every host, and move only where they have to."""

from hypothesis import given
from hypothesis import strategies as st

from collector.domain.sharing import Share, View, alone, score

SYMBOLS = [f"S{number}USDT" for number in range(600)]
NAMES = st.lists(st.from_regex(r"[a-z0-9._-]{1,12}", fullmatch=True), min_size=1, max_size=6, unique=True)


def view(names: list[str], copies: int) -> View:
    return View(tuple(sorted(names)), copies)


@given(NAMES, st.integers(0, 8))
def test_each_symbol_has_as_many_owners_as_copies_or_as_there_are_members(names: list[str], copies: int) -> None:
    of_view = view(names, copies)
    for symbol in SYMBOLS[:20]:
        owners = of_view.owners("f", symbol)
        assert len(set(owners)) == len(owners) == min(copies or len(names), len(names))
        assert set(owners) <= set(names)


@given(NAMES, st.integers(1, 3), st.randoms(use_true_random=False))
def test_every_host_gives_the_same_symbols_to_the_same_members(names: list[str], copies: int, random: object) -> None:
    shuffled = sorted(names, key=lambda _: random.random())  # type: ignore[attr-defined]
    one, other = view(names, copies), view(shuffled, copies)
    assert (one, one.name) == (other, other.name)
    assert [one.owners("f", symbol) for symbol in SYMBOLS[:20]] == [other.owners("f", s) for s in SYMBOLS[:20]]


@given(NAMES, st.integers(1, 3))
def test_a_member_that_joins_takes_over_symbols_and_moves_no_other(names: list[str], copies: int) -> None:
    before, after = view(names, copies), view([*names, "NEW"], copies)
    for symbol in SYMBOLS[:40]:
        earlier, later = set(before.owners("f", symbol)), set(after.owners("f", symbol))
        assert later - earlier <= {"NEW"}, "nobody but the new member gets a symbol"
        assert len(earlier - later) <= 1
        if "NEW" not in later:
            assert later == earlier


def test_a_score_never_changes() -> None:
    assert score("edge-1", "binance", "BTCUSDT").hex() == "0b9357d5ff719d45"


def test_members_get_about_the_same_number_of_symbols() -> None:
    of_view = view(["a", "b", "c"], 1)
    counts = [sum(name in of_view.owners("f", symbol) for symbol in SYMBOLS) for name in of_view.members]
    assert min(counts) > 0.8 * len(SYMBOLS) / 3


def test_without_copies_or_with_too_few_members_everybody_records_everything() -> None:
    for of_view in (view(["a", "b"], 0), view(["a", "b"], 2), view(["a", "b"], 8), alone("a")):
        assert Share("a", of_view).of("f", SYMBOLS) == tuple(SYMBOLS)


def test_an_edge_holds_what_it_gives_up_until_the_new_owner_is_ready() -> None:
    before, after = view(["a"], 1), view(["a", "b"], 1)
    given = {symbol for symbol in SYMBOLS if after.owners("f", symbol) == ("b",)}
    assert Share("a", after, held=(before,)).of("f", SYMBOLS) == tuple(SYMBOLS)
    kept = set(Share("a", after, held=(before,), ready=("b",)).of("f", SYMBOLS))
    assert kept == set(SYMBOLS) - given
    assert set(Share("a", after).of("f", SYMBOLS)) == kept
    assert set(Share("b", after).of("f", SYMBOLS)) == given


def test_of_a_feed_whose_symbols_the_edges_choose_differently_everything_is_recorded() -> None:
    share = Share("a", view(["a", "b"], 1), whole=("f",))
    assert share.of("f", SYMBOLS) == tuple(SYMBOLS)
    assert len(share.of("g", SYMBOLS)) < len(SYMBOLS)
