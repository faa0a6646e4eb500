"""The storage host keeps the symbols that its edges chose, all together."""

from pathlib import Path

from collector.config import Config, FeedConfig
from collector.processes.cluster.told_symbols import ToldSymbols, packed, unpacked
from collector.storage.chosen_files import read_choice

FEED = FeedConfig(name="f", symbols=("*USDT", "EXACT"), exclude=("BAD*",))


def kept(folder: Path) -> tuple[str, ...] | None:
    found = read_choice(folder, "f")
    return None if found is None else found.symbols


def test_what_any_edge_chose_is_kept_as_far_as_the_feed_may_bring_it(tmp_path: Path) -> None:
    told = ToldSymbols(Config(data_dir=tmp_path, feed=(FEED,)))
    values = {("a", "f"): packed(("EXACT", "BUSDT")), ("b", "f"): packed(("AUSDT", "BADUSDT", "OTHER"))}
    told.keep(values, ["a", "b"])
    assert kept(tmp_path) == ("EXACT", "AUSDT", "BUSDT")
    told.keep(values, ["a"])
    assert kept(tmp_path) == ("EXACT", "BUSDT")
    told.keep(values, [])
    assert kept(tmp_path) == ("EXACT", "BUSDT"), "nobody is there to say otherwise"


def test_thousands_of_symbols_are_a_few_kilobytes_and_what_cannot_be_read_says_nothing(tmp_path: Path) -> None:
    symbols = tuple(f"S{number}USDT" for number in range(5_000))
    assert unpacked(packed(symbols)) == symbols
    assert len(packed(symbols)) < 20_000
    assert unpacked(b"x") is None
    told = ToldSymbols(Config(data_dir=tmp_path, feed=(FEED,)))
    told.keep({("a", "f"): b"x"}, ["a"])
    assert kept(tmp_path) is None
