"""`collector symbols` against a server that lists in pages."""

import json
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from collector.cli import main
from collector.tools import symbols
from tests.bybit_lists import LISTED, BybitLists
from tests.loopback_server import HttpServer, QuietHandler
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
    ("options", "chosen"),
    [
        (["--match", "*USDT"], ["BTCUSDT", "ETHUSDT", "LUNAUSDT"]),
        (["--match", "*USDT", "--trading"], ["BTCUSDT", "ETHUSDT"]),
        (["--match", "BTC*", "--kind", "future"], ["BTC-26DEC26"]),
        (["--match", "BTCPERP"], ["BTCPERP"]),
    ],
)
def test_what_is_asked_for_is_chosen_as_a_configuration_would(
    tmp_path: Path, server: BybitLists, capsys: pytest.CaptureFixture[str], options: list[str], chosen: list[str]
) -> None:
    assert main([*told(tmp_path, server.endpoint_url), *options, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["symbol"] for each in found] == chosen
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


class Dripping(HttpServer):
    """Sends answers a byte at a time, and none to its end, but for targets with `whole` in them."""

    def __init__(self, whole: str = "") -> None:
        stopped = self._stopped = threading.Event()

        class Handler(QuietHandler):
            def do_GET(self) -> None:  # noqa: N802 -- the name the base class asks for
                body = b""
                if whole and whole in self.path:
                    body = b'{"retCode":0,"result":{"list":[{"symbol":"A","contractType":"LinearPerpetual","status":"Trading"}]}}'
                self.send_response(200)
                self.send_header("Content-Length", str(len(body) or 1_000_000))
                self.end_headers()
                self.wfile.write(body)
                while not body and not stopped.wait(0.02):
                    self.wfile.write(b" ")

        super().__init__(Handler)

    def close(self) -> None:
        self._stopped.set()


def test_a_server_that_drips_bytes_is_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(symbols, "ANSWER_SECS", 0.5)
    with Dripping() as server, closing(server):
        assert main(told(tmp_path, server.endpoint_url)) == 2
    assert capsys.readouterr().err == "error: bybit_linear gave no whole answer in time\n"


def test_a_list_is_printed_though_the_volumes_do_not_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(symbols, "ANSWER_SECS", 5.0)
    with Dripping(whole="instruments-info") as server, closing(server):
        assert main([*told(tmp_path, server.endpoint_url), "--json"]) == 0
    said = capsys.readouterr()
    assert [each["symbol"] for each in json.loads(said.out)] == ["A"]
    assert said.err == "note: without volumes: bybit_linear gave no whole answer in time\n"


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


def test_entries_that_cannot_be_read_are_counted_and_all_others_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with BybitLists(with_bad_entry=True) as server:
        assert main(told(tmp_path, server.endpoint_url)) == 0
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 1 + len(LISTED)
    assert said.err == 'note: without entries that cannot be read: 3: not the expected response: {"symbol": null}\n'


def test_an_unknown_exchange_is_named_with_those_that_are_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["symbols", "binanc"]) == 2
    assert capsys.readouterr().err.startswith("error: exchange = 'binanc': is unknown; must be one of binance, ")
