"""No text leaves a process with a secret that it knows."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from collector import scrub
from collector.logs.line import as_json, line
from collector.stats_files import read_object, stats_file

SECRET = "wJalrXUtnFEMI/K7MDENG"
ROOT = Path(__file__).parents[1]


def test_a_known_secret_is_hidden_and_the_rest_stays() -> None:
    scrub.know([SECRET])
    assert scrub.scrub(f"Invalid header b'{SECRET}' of mine") == "Invalid header b'***' of mine"


@pytest.mark.parametrize(
    "text",
    [
        "Invalid header value b'AWS4-HMAC-SHA256 Credential=AKIAQ\\n/2026/s3, Signature=00ff'",
        "{'Authorization': 'Bearer AKIAQ', 'Host': 'h'}",
        "x-amz-security-token: AKIAQ",
        "('X-Amz-Security-Token', b'AKIAQ')",
        "Proxy-Authorization: Basic AKIAQ\r\nHost: h",
    ],
)
def test_an_authorization_header_is_hidden_though_its_value_is_unknown(text: str) -> None:
    shown = scrub.scrub(text)
    assert "AKIAQ" not in shown
    assert "***" in shown


@pytest.mark.parametrize("text", ["AuthorizationHeaderMalformed to PutObject", "401: authorization is required"])
def test_text_that_only_mentions_such_headers_stays(text: str) -> None:
    assert scrub.scrub(text) == text


def test_a_log_line_hides_a_secret_before_it_is_cut() -> None:
    scrub.know([SECRET])
    for before in range(970, 1_001):
        event = {"ts": "t", "level": "l", "process": "p", "event": "e", "error": ValueError("x" * before + SECRET)}
        text = line(event, as_json, scrub.scrub).decode()
        assert SECRET[:8] not in text


def test_a_secret_in_a_reports_texts_is_hidden_names_are_kept(tmp_path: Path) -> None:
    scrub.know([SECRET, "binance"])
    stats = stats_file(tmp_path, "archiver")
    stats.write(
        {"role": "binance", "count": 3, "last_error": f"no: {SECRET}", "lines": [{"last_error": f"at {SECRET}"}]}
    )
    assert read_object(tmp_path / "archiver.json") == {
        "role": "binance", "count": 3, "last_error": "no: ***", "lines": [{"last_error": "at ***"}],
    }  # fmt: skip


PROGRAM = """
import multiprocessing, os, sys, threading
from collector import scrub

def fail():
    scrub.begin()
    raise RuntimeError("as a child: " + os.environ["AWS_SECRET_ACCESS_KEY"])

if __name__ == "__main__":
    scrub.begin("from the configuration")
    child = multiprocessing.get_context("spawn").Process(target=fail)
    child.start()
    child.join()
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    print("from the configuration", file=sys.stderr)
    raise RuntimeError("at the end: " + os.environ["AWS_SECRET_ACCESS_KEY"])
"""


def test_no_trace_on_standard_error_shows_a_secret(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    environment = {**os.environ, "AWS_SECRET_ACCESS_KEY": SECRET, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, program], env=environment, capture_output=True, encoding="utf-8", timeout=120, check=False
    )
    assert done.returncode == 1
    assert done.stderr.count("RuntimeError: as a child: ***") == 2
    assert "RuntimeError: at the end: ***" in done.stderr
    assert SECRET not in done.stderr
    assert "from the configuration" not in done.stderr


def test_scrubbed_json_is_still_json(tmp_path: Path) -> None:
    scrub.know(["17123456"])
    assert stats_file(tmp_path, "writer").write({"updated_us": 17_123_456_789, "text": "it was 17123456"})
    assert json.loads((tmp_path / "writer.json").read_text("utf-8")) == {
        "updated_us": 17_123_456_789,
        "text": "it was ***",
    }
