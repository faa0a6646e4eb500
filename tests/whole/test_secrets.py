"""No secret in anything that the recorder says, whatever a library or a server makes of it."""

import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.s3_imitation import BUCKET, Refusal, Request, S3Imitation
from tests.seaweed import environment
from tests.whole.running import Exchange, Recorder, wait_for

KEY_ID, SECRET_KEY, TOKEN = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCY", "FwoGZXIvYXdzEBYaDH+token"
PASSWORD, PING = "pr0xypassw0rd", "http://127.0.0.1:1/planted-check"
SECRETS = (KEY_ID, SECRET_KEY, TOKEN, PASSWORD, PING)


def settings(server: S3Imitation, **variables: str) -> dict[str, Any]:
    return {
        "feed": {"symbols": ["BTCUSDT"], "data_types": ["trade"]},
        "segment": {"interval_secs": 2},
        "archive": {"url": f"s3://{BUCKET}/lake", "endpoint_url": server.endpoint_url, "retry_max_delay_secs": 1},
        "environment": environment(
            **variables,
            COLLECTOR_HTTP__PING_URL=PING,
            http_proxy=f"http://me:{PASSWORD}@proxy.invalid",
            no_proxy="127.0.0.1",
        ),
    }


def said(recorded: Recorder) -> str:
    """Everything it shows: standard output and error, what it serves, and its files beside the data."""
    pages = []
    for page in ("status", "healthz", "metrics", "page.json"):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{recorded.port}/{page}", timeout=60) as answer:
                pages.append(answer.read())
        except urllib.error.HTTPError as error:
            pages.append(error.read())
    files = [path.read_bytes() for path in (recorded.data_dir / "run").rglob("*") if path.is_file()]
    return b"\n".join([recorded.log_path.read_bytes(), *pages, *files]).decode(errors="replace")


def assert_nothing_shown(text: str) -> None:
    for secret in SECRETS:
        for form in (secret, json.dumps(secret)[1:-1], secret.replace("/", "%2F").replace("+", "%2B")):
            assert form not in text


def quoting(request: Request) -> Refusal | None:
    """A server that says what it did not like: everything."""
    return Refusal(403, "AccessDenied", f"Not with these headers: {dict(request.headers)}")


def test_a_server_that_quotes_the_whole_request_reveals_no_secret(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder], aws_alone: None
) -> None:
    keys = {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET_KEY, "AWS_SESSION_TOKEN": TOKEN}
    with S3Imitation(quoting) as server:
        source = exchange("--symbols", "BTCUSDT", "--rate", "50")
        recorded = recorder(source.ws_url, **settings(server, **keys)).start()
        wait_for(lambda: recorded.alive() and recorded.logged("store_refuses"))
        wait_for(lambda: "store_unreachable" in (recorded.data_dir / "run/health.json").read_text("utf-8"))
        text = said(recorded)
        assert recorded.stop() == 0
    assert "Not with these headers" in text
    assert_nothing_shown(text + recorded.log_path.read_text("utf-8"))


def test_a_key_with_a_line_break_in_a_file_is_named_and_never_sent(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder], aws_alone: None, tmp_path: Path
) -> None:
    file = tmp_path / "credentials"
    # A line that begins with blanks goes on with the value before it.
    file.write_text(
        f"[default]\naws_access_key_id = {KEY_ID}\n\n    x\naws_secret_access_key = {SECRET_KEY}\n", "utf-8"
    )
    with S3Imitation(quoting) as server:
        source = exchange("--symbols", "BTCUSDT", "--rate", "50")
        recorded = recorder(source.ws_url, **settings(server, AWS_SHARED_CREDENTIALS_FILE=str(file))).start()
        wait_for(lambda: recorded.alive() and recorded.logged("store_refuses"))
        wait_for(lambda: "store_unreachable" in (recorded.data_dir / "run/health.json").read_text("utf-8"))
        text = said(recorded)
        assert recorded.stop() == 0
        assert server.seen == []
    (told,) = recorded.logged("store_refuses")
    assert "aws_access_key_id (from shared-credentials-file, profile default): holds a line break" in told["error"]
    assert_nothing_shown(text + recorded.log_path.read_text("utf-8"))


@pytest.mark.parametrize("arguments", [[], ["--check"]])
def test_a_key_that_ends_in_a_line_break_is_refused_by_name_at_the_start(
    recorder: Callable[..., Recorder], aws_alone: None, arguments: list[str]
) -> None:
    keys = {"AWS_ACCESS_KEY_ID": f"{KEY_ID}\n", "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
    with S3Imitation(quoting) as server:
        recorded = recorder("ws://127.0.0.1:1", **settings(server, **keys)).start(*arguments)
        assert recorded.process.wait(120) == 2
        assert server.seen == []
    text = recorded.log_path.read_text("utf-8")
    assert text.splitlines() == ["error: AWS_ACCESS_KEY_ID: holds a line break, or another character that no key has"]


def test_a_trace_of_the_whole_program_shows_no_secret(
    recorder: Callable[..., Recorder], aws_alone: None, tmp_path: Path
) -> None:
    """Python itself writes it: no log is there yet."""
    with S3Imitation(quoting) as server:
        recorded = recorder("ws://127.0.0.1:1", **settings(server, AWS_SESSION_TOKEN=TOKEN))
        spoilt = tmp_path / TOKEN / "config.toml"
        done = subprocess.run(
            [*recorded.program, "--config", str(spoilt), "--stop-after", TOKEN],
            env=recorded.environment, capture_output=True, encoding="utf-8", timeout=120, check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert TOKEN not in done.stderr
    assert "***" in done.stderr
