"""Ctrl-C ends a tool in a line, wherever it is."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import pytest

from tests.seaweed import ADMIN, environment
from tests.whole.running import wait_for

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
DEADLINE_SECS = 120
DAY = ("--from", "2026-11-23", "--to", "2026-11-24")
LISTING = b"""<ListBucketResult><IsTruncated>false</IsTruncated><Contents>
<Key>_manifest/date=2026-11-23/host-20261123T120000Z-4f2a9c.json</Key></Contents></ListBucketResult>"""


class Stalled:
    """An S3 server that lists, if it shall, and never answers anything else."""

    def __init__(self, *, lists: bool) -> None:
        self.asked, self._end = Event(), Event()
        stalled = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if lists and "list-type" in self.path:
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(LISTING)))
                    self.end_headers()
                    self.wfile.write(LISTING)
                    return
                stalled.asked.set()
                stalled._end.wait(DEADLINE_SECS)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        self._end.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(DEADLINE_SECS)


@pytest.fixture(params=[False, True], ids=["in a listing", "in its threads"])
def stalled(request: pytest.FixtureRequest) -> Iterator[Stalled]:
    server = Stalled(lists=request.param)
    yield server
    server.stop()


def interrupted(command: list[str], is_there: Callable[[], bool], **variables: str) -> tuple[int, str, str]:
    """Exit code, output and errors of a tool that gets Ctrl-C once it is there."""
    with subprocess.Popen(
        [sys.executable, *command],
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # These tests may themselves run where Ctrl-C is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 -- it only asks the kernel
        encoding="utf-8",
    ) as tool:
        wait_for(lambda: is_there() or tool.poll() is not None, DEADLINE_SECS)
        assert tool.poll() is None, tool.communicate()
        tool.send_signal(signal.SIGINT)
        out, errors = tool.communicate(timeout=DEADLINE_SECS)
        return tool.returncode, out, errors


@pytest.mark.parametrize("tool", ["verify_archive.py", "restore.py"])
def test_an_interrupt_while_waiting_for_a_server_ends_at_once(tool: str, stalled: Stalled, tmp_path: Path) -> None:
    arguments = [str(tmp_path / "dest"), *DAY] if tool == "restore.py" else ["--deep"]
    told = interrupted(
        [str(SCRIPTS / tool), "s3://bucket", *arguments],
        stalled.asked.is_set,
        **ADMIN,
        COLLECTOR_ARCHIVE__ENDPOINT_URL=stalled.endpoint_url,
        TMPDIR=str(tmp_path),
    )
    assert told == (130, "", "interrupted\n")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_during_the_imports_gives_one_line(tmp_path: Path) -> None:
    module = tmp_path / "rich" / "__init__.py"
    module.parent.mkdir()
    module.write_text(
        "import pathlib, signal\npathlib.Path(__file__).with_name('begun').touch()\nsignal.pause()\n", "utf-8"
    )
    told = interrupted(
        [str(SCRIPTS / "verify_archive.py"), str(tmp_path)],
        module.with_name("begun").exists,
        PYTHONPATH=str(tmp_path),
    )
    assert told == (130, "", "interrupted\n")


def test_a_full_standard_output_ends_a_tool_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "orphan.parquet").touch()
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, str(SCRIPTS / "verify_archive.py"), str(tmp_path)],
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=DEADLINE_SECS,
            encoding="utf-8",
        )
    assert (done.returncode, done.stderr) == (2, "error: [Errno 28] No space left on device\n")
