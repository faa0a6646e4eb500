"""Whatever the locale's encoding is, the recorder reads and writes what it always does."""

import os
import subprocess
import sys
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

import pytest

from tests.whole.running import ROOT, Exchange, Recorder, fetch

FEED = {"symbols": ["BTCUSDT"], "data_types": ["trade"]}
ASCII = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}


@pytest.fixture(scope="module")
def gbk(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a machine in China that is not set to UTF-8."""
    folder = tmp_path_factory.mktemp("locales")
    command = ["localedef", "-f", "GBK", "-i", "zh_CN", str(folder / "zh_CN.GBK")]
    try:
        made = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
        reason = made.stderr if made.returncode else ""
    except FileNotFoundError:
        reason = "there is no localedef"
    if reason:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"no locale can be made: {reason.strip()}")
    return {"LOCPATH": str(folder), "LC_ALL": "zh_CN.GBK", "PYTHONUTF8": "0"}


def recorded_in(recorded: Recorder) -> None:
    """It records, and shows its page."""
    recorded.start()
    recorded.wait_for_messages(20)
    code, page = fetch(f"http://127.0.0.1:{recorded.port}/")
    assert (code, "…" in page.decode()) == (HTTPStatus.OK, True)
    assert recorded.stop() == 0
    assert recorded.dataset_rows() >= 20
    assert "Traceback" not in recorded.log_path.read_text("utf-8")


def test_it_records_where_the_locale_is_gbk(
    gbk: dict[str, str], exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    source = exchange("--symbols", "BTCUSDT", "--rate", "100")
    recorded_in(recorder(source.ws_url, environment=gbk, feed=FEED))


def test_it_records_where_the_locale_is_ascii(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    source = exchange("--symbols", "BTCUSDT", "--rate", "100")
    recorded_in(recorder(source.ws_url, environment=ASCII, feed=FEED))


def check_in(folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, str(ROOT / "supervisor.py"), "--check"]
    variables = {**os.environ, "COLLECTOR_HTTP__PORT": "0", "COLLECTOR_JOURNAL__MIN_FREE_BYTES": "1MiB", **environment}
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, timeout=120, check=False)


def test_a_path_beyond_ascii_is_refused_without_utf_8_file_names(gbk: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "数据".encode("gbk").decode("utf-8", "surrogateescape")
    folder.mkdir()
    done = check_in(folder, gbk)
    (line,) = done.stderr.decode("gbk").splitlines()
    assert line.startswith("error: data_dir = data (the default): is not all ASCII as an absolute path, and file names")
    assert done.returncode == 2


def test_text_the_terminal_cannot_encode_ends_nothing(tmp_path: Path) -> None:
    done = check_in(tmp_path, {"COLLECTOR_DATA_DIR": str(tmp_path / "数据"), "PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"\u6570\u636e" in done.stdout
