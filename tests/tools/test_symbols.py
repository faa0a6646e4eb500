"""`collector symbols` against a server that lists in pages."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.cli import main
from tests.bybit_lists import BybitLists
from tests.ports import keep_port


@pytest.fixture
def server() -> Iterator[BybitLists]:
    with BybitLists() as server:
        yield server


def told(tmp_path: Path, url: str) -> list[str]:
    config = tmp_path / "collector.toml"
    config.write_text(f'[[feed]]\nexchange = "bybit_linear"\nrest_url = "{url}"\ndata_types = ["trade"]\n', "utf-8")
    return ["symbols", "bybit_linear", "--config", str(config)]


def test_every_instrument_of_every_page_is_printed_as_it_is_configured(
    tmp_path: Path, server: BybitLists, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(told(tmp_path, server.endpoint_url)) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        ["symbol", "kind", "state", "traded", "in", "24", "h"],
        ["BTC-26DEC26", "future", "trading", "5"],
        ["BTCPERP", "perpetual", "trading", "70"],
        ["BTCUSDT", "perpetual", "trading", "900"],
        ["ETHUSDT", "perpetual", "trading", "800"],
        ["LUNAUSDT", "perpetual", "not", "trading", "0"],
    ]
    assert len(server.asked) == 4


@pytest.mark.parametrize(
    ("options", "symbols"),
    [
        (["--match", "*USDT"], ["BTCUSDT", "ETHUSDT", "LUNAUSDT"]),
        (["--match", "*USDT", "--trading"], ["BTCUSDT", "ETHUSDT"]),
        (["--match", "BTC*", "--kind", "future"], ["BTC-26DEC26"]),
        (["--match", "BTCPERP"], ["BTCPERP"]),
    ],
)
def test_what_is_asked_for_is_chosen_as_a_configuration_would(
    tmp_path: Path, server: BybitLists, capsys: pytest.CaptureFixture[str], options: list[str], symbols: list[str]
) -> None:
    assert main([*told(tmp_path, server.endpoint_url), *options, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["symbol"] for each in found] == symbols
    assert set(found[0]) == {"symbol", "kind", "trading", "volume"}


def test_a_symbol_that_is_not_listed_brings_the_nearest_spelling(
    tmp_path: Path, server: BybitLists, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*told(tmp_path, server.endpoint_url), "--match", "BTCUSD"]) == 1
    assert capsys.readouterr().err == "nothing of bybit_linear matches; did you mean BTCUSDT?\n"


def test_an_exchange_that_cannot_be_reached_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with keep_port() as keeper:
        assert main(told(tmp_path, f"http://127.0.0.1:{keeper.getsockname()[1]}")) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: bybit_linear gave no answer: ")


def test_a_refusal_says_what_the_exchange_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with BybitLists(code=10001) as server:
        assert main(told(tmp_path, server.endpoint_url)) == 2
    assert capsys.readouterr().err == "error: bybit_linear refused: HTTP 200: 10001 why not\n"


def test_without_volumes_the_list_is_printed_all_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with BybitLists(with_volumes=False) as server:
        assert main([*told(tmp_path, server.endpoint_url), "--match", "BTCUSDT"]) == 0
    said = capsys.readouterr()
    assert [line.split() for line in said.out.splitlines()] == [
        ["symbol", "kind", "state"],
        ["BTCUSDT", "perpetual", "trading"],
    ]
    assert said.err.startswith("note: without volumes: bybit_linear refused: HTTP 503")


def test_an_unknown_exchange_is_named_with_those_that_are_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["symbols", "binanc"]) == 2
    assert capsys.readouterr().err.startswith("error: exchange = 'binanc': is unknown; must be one of binance, ")
