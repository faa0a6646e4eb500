"""What is chosen from the newest list, and what is kept for the next start."""

from pathlib import Path
from typing import Any

from collector.config import FeedConfig
from collector.domain.clock import Clock
from collector.domain.symbol_choice import DOUBTED_SECS, Choice
from collector.exchanges.registry import adapter
from collector.processes.context import SystemClock
from collector.processes.ingest.symbol_chooser import LACKS_MOST, NO_VOLUMES, UNREADABLE, SymbolChooser
from collector.storage.chosen_files import chosen_file, read_choice, write_choice
from collector.storage.instrument_files import InstrumentList, ListedInstrument, instruments_file, write_instruments
from tests.processes.ingest.ingest_harness import capturing_log


def listed(folder: Path, **volumes: float | None) -> None:
    instruments = [ListedInstrument(symbol, "spot", is_trading=True, volume=each) for symbol, each in volumes.items()]
    write_instruments(folder, InstrumentList(1, "bybit_spot", 1, instruments))


def chooser(folder: Path, *symbols: str, clock: Clock | None = None) -> tuple[SymbolChooser, list[Any]]:
    log, logged = capturing_log()
    feed = FeedConfig(exchange="bybit_spot", name="f", symbols=symbols, data_types=("trade",))
    return SymbolChooser(folder, feed, adapter("bybit_spot"), clock or SystemClock(), log), logged


def saved(folder: Path) -> Choice:
    choice = read_choice(folder, "f")
    assert choice is not None
    return choice


def test_a_list_is_looked_at_once(tmp_path: Path) -> None:
    listed(tmp_path, BTCUSDT=None)
    one, _ = chooser(tmp_path, "*USDT")
    assert one.look()
    assert not one.look()
    listed(tmp_path, BTCUSDT=None, ETHUSDT=None)
    assert one.look()
    assert one.symbols == ("BTCUSDT", "ETHUSDT")


def test_a_symbol_that_the_adapter_cannot_spell_is_left_out_and_named_once(tmp_path: Path) -> None:
    one, logged = chooser(tmp_path, "*")
    for _ in range(2):
        listed(tmp_path, BTCUSDT=None, **{"btc/usdt": None})
        one.look()
    assert one.symbols == ("BTCUSDT",)
    assert [(line["event"], line["symbol"]) for line in logged] == [("symbol_refused", "btc/usdt")]


def test_the_choice_before_stays_while_the_list_cannot_tell(tmp_path: Path) -> None:
    listed(tmp_path, BTCUSDT=2.0, ETHUSDT=1.0)
    one, _ = chooser(tmp_path, "top:1")
    one.look()
    assert (one.symbols, one.trouble) == (("BTCUSDT",), "")
    listed(tmp_path)
    assert not one.look()
    assert (one.symbols, one.trouble) == (("BTCUSDT",), NO_VOLUMES)


def test_what_keeps_the_top_steady_outlives_a_restart(tmp_path: Path) -> None:
    listed(tmp_path, A=3.0, B=2.0, C=1.0)
    one, _ = chooser(tmp_path, "top:1")
    one.look()
    one.save()
    listed(tmp_path, B=3.0, C=2.0, A=1.0)
    again, _ = chooser(tmp_path, "top:1")
    again.look()
    assert again.symbols == ("A", "B")
    again.save()
    assert saved(tmp_path).ranked["A"] > 0
    chosen_file(tmp_path, "f").unlink()
    lost, _ = chooser(tmp_path, "top:1")
    lost.look()
    assert lost.symbols == ("B",)


def test_a_choice_that_cannot_be_saved_is_saved_later(tmp_path: Path) -> None:
    listed(tmp_path, BTCUSDT=None)
    one, logged = chooser(tmp_path, "*USDT")
    one.look()
    draft = chosen_file(tmp_path, "f").with_name("f.chosen.json.new")
    draft.mkdir()
    one.save()
    assert [line["event"] for line in logged] == ["choice_not_saved"]
    draft.rmdir()
    one.save()
    assert saved(tmp_path).symbols == ("BTCUSDT",)


def test_what_is_wanted_no_more_is_not_taken_from_the_last_choice(tmp_path: Path) -> None:
    write_choice(tmp_path, "f", Choice(("BTCUSDT", "BTCUSDC")))
    one, _ = chooser(tmp_path, "*USDT", "ETHUSDC")
    assert one.symbols == ("ETHUSDC", "BTCUSDT")


def test_a_symbol_of_the_last_choice_that_the_adapter_cannot_spell_is_left_out(tmp_path: Path) -> None:
    write_choice(tmp_path, "f", Choice(("BTCUSDT", "btc/usdt")))
    one, logged = chooser(tmp_path, "*")
    assert one.symbols == ("BTCUSDT",)
    assert [(line["event"], line["symbol"]) for line in logged] == [("symbol_refused", "btc/usdt")]


def test_a_symbol_leaves_once_two_lists_in_a_row_lack_it(tmp_path: Path) -> None:
    one, logged = chooser(tmp_path, "*")
    found = []
    for symbols in ("ABCD", "AB", "ABCD", "ABC", "ABCE", "ABCDE"):
        listed(tmp_path, **dict.fromkeys(symbols))
        one.look()
        found.append("".join(one.symbols))
    assert found == ["ABCD", "ABCD", "ABCD", "ABCD", "ABCE", "ABCDE"]
    assert (logged, one.trouble) == ([], "")


def test_the_first_list_after_a_restart_ends_nothing(tmp_path: Path) -> None:
    write_choice(tmp_path, "f", Choice(("A", "B", "C")))
    one, _ = chooser(tmp_path, "*")
    for expected in (("A", "B", "C"), ("A", "B")):
        listed(tmp_path, A=None, B=None)
        one.look()
        assert one.symbols == expected


def test_a_symbol_of_the_top_leaves_once_two_lists_in_a_row_lack_it(tmp_path: Path) -> None:
    one, _ = chooser(tmp_path, "top:2")
    found = []
    for volumes in ({"A": 9.0, "B": 8.0, "C": 7.0}, {"A": 9.0, "C": 7.0}, {"A": 9.0, "C": 7.0}):
        listed(tmp_path, **volumes)
        one.look()
        found.append("".join(one.symbols))
    assert found == ["AB", "ABC", "AC"]


def test_a_list_in_which_nothing_trades_does_not_count(tmp_path: Path) -> None:
    one, _ = chooser(tmp_path, "*")
    for symbols in ("ABC", "", "AB"):
        listed(tmp_path, **dict.fromkeys(symbols))
        one.look()
        assert one.symbols == ("A", "B", "C")


def test_a_symbol_that_is_listed_as_halted_leaves_at_once(tmp_path: Path) -> None:
    one, _ = chooser(tmp_path, "*")
    for is_trading in (True, False):
        instruments = [ListedInstrument("A", "spot", True), ListedInstrument("B", "spot", is_trading)]
        write_instruments(tmp_path, InstrumentList(1, "bybit_spot", 1, instruments))
        one.look()
    assert one.symbols == ("A",)


class HandClock(SystemClock):
    now_secs = 1_000.0

    def monotonic(self) -> float:
        return self.now_secs


def test_a_list_that_lacks_most_is_believed_after_an_hour(tmp_path: Path) -> None:
    clock = HandClock()
    one, logged = chooser(tmp_path, "*", clock=clock)
    listed(tmp_path, A=None, B=None, C=None)
    one.look()
    for passed_secs in (0.0, DOUBTED_SECS / 2, DOUBTED_SECS / 2 - 1.0):
        clock.now_secs += passed_secs
        listed(tmp_path, C=None, NEW=None)
        one.look()
        assert (one.symbols, one.trouble) == (("A", "B", "C", "NEW"), LACKS_MOST)
    assert [(line["event"], line["symbols"]) for line in logged] == [("list_doubted", ["A", "B"])]
    clock.now_secs += 1.0
    listed(tmp_path, C=None, NEW=None)
    one.look()
    assert (one.symbols, one.trouble) == (("C", "NEW"), "")


def test_a_list_that_is_whole_again_ends_the_doubt(tmp_path: Path) -> None:
    clock = HandClock()
    one, logged = chooser(tmp_path, "*", clock=clock)
    for symbols in ("ABC", "A", "ABC", "A"):
        listed(tmp_path, **dict.fromkeys(symbols))
        one.look()
        assert (one.symbols, one.trouble) == (("A", "B", "C"), LACKS_MOST if symbols == "A" else "")
        clock.now_secs += DOUBTED_SECS
    assert [line["event"] for line in logged] == ["list_doubted"] * 2


def test_a_faulty_list_after_a_restart_ends_nothing(tmp_path: Path) -> None:
    write_choice(tmp_path, "f", Choice(("A", "B", "C")))
    listed(tmp_path, C=None)
    one, _ = chooser(tmp_path, "*")
    assert not one.look()
    assert (one.symbols, one.trouble) == (("A", "B", "C"), LACKS_MOST)


def test_a_list_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    listed(tmp_path, A=None)
    one, logged = chooser(tmp_path, "*")
    one.look()
    instruments_file(tmp_path, "bybit_spot").write_bytes(b'{"version":2}')
    one.look()
    assert (one.symbols, one.trouble) == (("A",), UNREADABLE)
    assert [line["event"] for line in logged] == ["list_unreadable"]
    listed(tmp_path, A=None)
    one.look()
    assert one.trouble == ""
