"""Commands that read rows, on an edge, which has none."""

from pathlib import Path

import pytest

from collector import cli

TEXT = "this host is an edge and stores no rows: ask on the storage host, or name its archive"
ASKED = (["tail", "binance", "BTCUSDT", "trade"], ["gaps"], ["verify"], ["read", "streams"])


@pytest.fixture(autouse=True)
def edge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLLECTOR_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("COLLECTOR_ROLE", "edge")
    monkeypatch.setenv("COLLECTOR_NATS__URLS", "nats://127.0.0.1:1")


@pytest.mark.parametrize("command", ASKED)
def test_an_edge_is_said_to_have_no_rows(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(command) == 2
    assert TEXT in capsys.readouterr().err


@pytest.mark.parametrize("command", ASKED[1:])
def test_an_archive_that_is_named_is_read_on_an_edge_too(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLLECTOR_ARCHIVE__URL", (tmp_path / "elsewhere").as_uri())
    cli.main(command)
    assert TEXT not in capsys.readouterr().err
