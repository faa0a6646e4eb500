"""The recorder and its exchange as real processes, started as a user would, and what they left behind."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

import pyarrow.dataset as ds
import pyarrow.parquet as pq

from collector.supervision import semaphores
from tests.ports import keep_port, port_of
from tests.storage.segment.segment_rows import query

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_SECS = 120.0
ANSWER_SECS = 60
STOP_SECS = 120
POLL_SECS = 0.05
PATIENT: Mapping[str, Mapping[str, Any]] = {
    "ingest": {"stale_timeout_secs": 600},
    "silence": {"min_secs": 3_600},
}
"""No silence is too long: an exchange that has sent everything waits until a slow machine has stored it."""


def wait_for(what: Callable[[], T], deadline_secs: float = DEADLINE_SECS) -> T:
    """Ask until the answer is true; fail with the last answer when the time is up."""
    end = time.monotonic() + deadline_secs
    while not (answer := what()):
        assert time.monotonic() < end, f"still {answer!r} after {deadline_secs} s"
        time.sleep(POLL_SECS)
    return answer


def get_json(url: str) -> Any:
    """What a GET answers; None when nobody does."""
    try:
        with urllib.request.urlopen(url, timeout=ANSWER_SECS) as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return json.loads(error.read())
    except OSError:
        return None


def fetch(url: str) -> tuple[int, bytes]:
    """What a GET answers, with its code."""
    try:
        with urllib.request.urlopen(url, timeout=ANSWER_SECS) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


class Exchange:
    """The simulator as a process of its own; `within` is a command that runs another somewhere else."""

    def __init__(self, folder: Path, *arguments: str, log: bool = True, within: Sequence[str] = ()) -> None:
        self.sent_log = folder / "sent.jsonl"
        command = [*within, sys.executable, "-m", "collector.simulator", "--exit-with-parent"]
        command += ["--sent-log", str(self.sent_log)] if log else []
        # With PYTHONSAFEPATH it would not look for the package in its working directory.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
        self._process = subprocess.Popen(
            [*command, *arguments], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
        assert self._process.stdout is not None
        ready = json.loads(self._process.stdout.readline())
        self.ws_url, self.rest_url = ready["ws_url"], ready["rest_url"]

    @property
    def pid(self) -> int:
        """Of its process."""
        return self._process.pid

    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def stats(self) -> Any:
        """The simulator's own numbers."""
        return get_json(f"{self.rest_url}/simulator/stats")

    def fault(self, **fault: Any) -> None:
        """Ask for a fault now."""
        body = json.dumps(fault).encode()
        with urllib.request.urlopen(
            urllib.request.Request(f"{self.rest_url}/simulator/faults", body), timeout=ANSWER_SECS
        ):
            pass

    def heal(self) -> None:
        """Ask for no more faults."""
        request = urllib.request.Request(f"{self.rest_url}/simulator/faults", method="DELETE")
        urllib.request.urlopen(request, timeout=ANSWER_SECS).close()

    def stop(self) -> None:
        """End it; its log is complete then."""
        if self._process.poll() is None:
            self._process.terminate()
        assert self._process.wait(DEADLINE_SECS) == 0
        assert self._process.stdout is not None
        self._process.stdout.close()

    def sent(self) -> list[dict[str, Any]]:
        """Every line of its log."""
        return [json.loads(line) for line in self.sent_log.read_bytes().splitlines()]


class Recorder:
    """`supervisor.py` as a process of its own, on a data directory; `feed` is one feed's settings, or a list of several."""

    def __init__(
        self, folder: Path, ws_url: str, *, environment: Mapping[str, str] | None = None, **sections: Any
    ) -> None:
        self.folder = folder
        self.data_dir = folder / "data"
        self.log_path = folder / "log.jsonl"
        self.config_path = folder / "config.toml"
        self.environment = {**os.environ, **(environment or {})}
        self.program = [sys.executable, str(ROOT / "supervisor.py")]
        self.address = "127.0.0.1"
        self._keeper = keep_port()
        self.port = port_of(self._keeper)
        self._ws_url = ws_url
        self.configure(**sections)
        self._process: subprocess.Popen[bytes] | None = None

    def configure(self, **sections: Any) -> None:
        """Write its configuration file; to be called again for one that it is to take up while it runs."""
        feeds = sections.pop("feed", {})
        feeds = [
            {"exchange": "binance", "ws_url": self._ws_url, **feed}
            for feed in (feeds if isinstance(feeds, list) else [feeds])
        ]
        # A machine busy with other things may take long to sync what a stop has to finish.
        sections["supervisor"] = {"stop_timeout_secs": STOP_SECS, **sections.get("supervisor", {})}
        sections.setdefault("writer", {"batch_interval_secs": 0.5})
        sections.setdefault("ingest", {"reconnect_base_delay_secs": 0.2, "reconnect_max_delay_secs": 1})
        tables = {**sections, "http": {"port": self.port, **sections.get("http", {})}}
        plain = "".join(
            f"{name} = {json.dumps(tables.pop(name))}\n"
            for name in list(tables)
            if not isinstance(tables[name], Mapping)
        )
        self.config_path.write_text(plain + to_toml(self.data_dir, feeds, tables), "utf-8")

    def start(self, *arguments: str, **options: Any) -> Self:
        """Start it; standard output goes to the log unless told otherwise."""
        command = [*self.program, "--config", str(self.config_path), *arguments]
        with self.log_path.open("ab") as log:
            options = {"stdout": log, "stderr": log, "env": self.environment, **options}
            self._process = subprocess.Popen(command, cwd=self.folder, **options)
        return self

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The supervisor."""
        assert self._process is not None
        return self._process

    def status(self) -> Any:
        """What /status says; None while nobody answers."""
        return get_json(f"http://{self.address}:{self.port}/status")

    def messages(self) -> int:
        """How many messages are stored, as /status says."""
        return int((self.status() or {"writer": {"messages": 0}})["writer"]["messages"])

    def wait_for_messages(self, count: int, deadline_secs: float = DEADLINE_SECS) -> None:
        """Wait until so many are stored."""
        wait_for(lambda: self.alive() and self.messages() >= count, deadline_secs)

    def pid_of(self, role: str) -> int:
        """The process of that role, once it runs."""

        def look() -> int:
            status = self.status() or {"processes": []}
            pids = [p["pid"] for p in status["processes"] if p["name"] == role and p["state"] == "running"]
            return pids[0] or 0 if pids else 0

        return wait_for(look)

    def alive(self) -> bool:
        """Whether the supervisor still runs; fails with its log if it does not."""
        assert self.process.poll() is None, self.log_path.read_text("utf-8")
        return True

    def stop(self, number: signal.Signals = signal.SIGTERM, deadline_secs: float = STOP_SECS + 10) -> int:
        """Signal it and wait for its exit code."""
        self.process.send_signal(number)
        return self.process.wait(deadline_secs)

    def end(self) -> None:
        """Leave nothing running, and none of the semaphores that a killed supervisor leaves to the next one."""
        if self._process is not None and self._process.poll() is None:
            children = children_of(self._process.pid)
            self._process.kill()
            for child in children:  # one that is stopped does not see that its parent is gone
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            self._process.wait(DEADLINE_SECS)
        semaphores.sweep(semaphores.existing(self.data_dir))
        self._keeper.close()

    def logged(self, event: str) -> list[dict[str, Any]]:
        """The log's lines of that event."""
        whole = self.log_path.read_bytes().rpartition(b"\n")[0]  # the last line may still be on its way
        lines = [json.loads(line) for line in whole.splitlines() if line.startswith(b"{")]
        return [line for line in lines if line["event"] == event]

    def table(self, data_type: str, symbol: str | None = None) -> list[dict[str, Any]]:
        """The archive's rows of a data type, file by file in the order written."""
        archive = self.data_dir / "archive"
        folder = f"exchange=*/data_type={data_type}/symbol={symbol or '*'}"
        rows: list[dict[str, Any]] = []
        for path in sorted(archive.glob(f"{folder}/date=*/*.parquet"), key=lambda path: path.name):
            rows += pq.ParquetFile(path).read().to_pylist()
        return rows

    def losses(self, symbol: str | None = None) -> list[dict[str, Any]]:
        """The ledger's rows of what is missing, or may be: nothing is where a book was unknown."""
        return [row for row in self.table("gap", symbol) if row["kind"] != "book_unknown"]

    def dataset_rows(self) -> int:
        """How many rows a plain reader of the tree counts, gaps and undecoded frames left out."""
        archive = self.data_dir / "archive"
        paths = [str(p) for p in archive.glob("exchange=*/data_type=*/**/*.parquet") if "data_type=gap" not in str(p)]
        return int(ds.dataset(paths, format="parquet").count_rows()) if paths else 0


def children_of(pid: int) -> list[int]:
    """The processes it has started and not yet buried."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended
            parent = stat.read_text("utf-8").rpartition(")")[2].split()[1]
            found += [int(stat.parent.name)] if int(parent) == pid else []
    return found


def payloads_in_segments(data_dir: Path) -> Iterator[bytes]:
    """Payloads of all segments on disk, in commit order."""
    for path in sorted((data_dir / "segments").glob("*.db")):
        yield from (row[0] for row in query(path, "SELECT payload FROM messages ORDER BY row"))


def to_toml(data_dir: Path, feeds: list[dict[str, Any]], sections: Mapping[str, Mapping[str, Any]]) -> str:
    """A configuration file; JSON's scalars and lists are TOML's."""
    lines = [f"data_dir = {json.dumps(str(data_dir))}"]
    for feed in feeds:
        lines += ["[[feed]]", *(f"{key} = {json.dumps(value)}" for key, value in feed.items())]
    for name, section in sections.items():
        lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in section.items())]
    return "\n".join(lines) + "\n"
