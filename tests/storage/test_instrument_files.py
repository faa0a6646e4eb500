"""The lists of instruments in `run/instruments/`, as real files."""

from pathlib import Path

import pytest

from collector.storage.instrument_files import (
    VERSION,
    InstrumentList,
    ListedInstrument,
    instruments_file,
    read_instruments,
    write_instruments,
)

FOUND = InstrumentList(
    VERSION,
    "bybit_spot",
    1_700_000_000_000_000,
    [ListedInstrument("BTCUSDT", "spot", True, 1.5), ListedInstrument("OLDUSDT", "spot", False)],
)


def test_a_list_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_instruments(tmp_path, FOUND)
    assert read_instruments(tmp_path, "bybit_spot") == FOUND
    assert read_instruments(tmp_path, "bybit_linear") is None


def test_a_new_list_replaces_the_last_one_and_leaves_nothing_behind(tmp_path: Path) -> None:
    write_instruments(tmp_path, InstrumentList(VERSION, "bybit_spot", 1, []))
    write_instruments(tmp_path, FOUND)
    assert read_instruments(tmp_path, "bybit_spot") == FOUND
    assert [path.name for path in instruments_file(tmp_path, "bybit_spot").parent.iterdir()] == ["bybit_spot.json"]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff", b"[]", b'{"version":2,"exchange":"bybit_spot","asked_us":1,"instruments":[]}'],
)
def test_a_list_that_cannot_be_read_is_none(tmp_path: Path, content: bytes) -> None:
    write_instruments(tmp_path, FOUND)
    instruments_file(tmp_path, "bybit_spot").write_bytes(content)
    assert read_instruments(tmp_path, "bybit_spot") is None


def test_a_list_under_the_name_of_another_exchange_is_none(tmp_path: Path) -> None:
    write_instruments(tmp_path, FOUND)
    instruments_file(tmp_path, "bybit_spot").replace(instruments_file(tmp_path, "gate"))
    assert read_instruments(tmp_path, "gate") is None


def test_a_list_that_cannot_be_written_leaves_the_last_one(tmp_path: Path) -> None:
    write_instruments(tmp_path, FOUND)
    draft = instruments_file(tmp_path, "bybit_spot").with_name("bybit_spot.json.f.new")
    draft.mkdir()
    with pytest.raises(OSError, match="directory"):
        write_instruments(tmp_path, InstrumentList(VERSION, "bybit_spot", 2, []), "f")
    assert read_instruments(tmp_path, "bybit_spot") == FOUND
