"""The demonstration: the built-in exchange is recorded for real, and a person watches."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from collector.config import Config, FeedConfig
from collector.domain.errors import CannotStartError
from collector.domain.records import StreamKey
from collector.monitoring.status import DEMO_FEED
from collector.read.demo_mark import write_mark
from collector.supervision.recorder import record

SYMBOLS: Final = ("BTCUSDT", "ETHUSDT")
DATA_TYPES: Final = ("book_snapshot", "book_delta", "trade", "agg_trade", "book_ticker")
RATE: Final = 200
SEGMENT_SECS: Final = 10.0
LOST_STREAM: Final = StreamKey("binance", "BTCUSDT", "trade")
LOST: Final = "drop=0.002,stream=btcusdt@trade"
"""What the exchange fails to send, so that there is something to mend: seldom enough for each gap to have its own row."""

_ROOT: Final = Path(__file__).resolve().parents[2]
_LINE_EVERY: Final = 5
_QUERY: Final = (
    "  SELECT symbol, count(*), min(price), max(price) "
    "FROM read_parquet('{files}', hive_partitioning = true) GROUP BY symbol;"
)


def demo_config(config: Config, ws_url: str, rest_url: str, data_dir: Path) -> Config:
    """Short batches and segments, so that Parquet appears while one watches; everything else as configured."""
    feed = FeedConfig(
        exchange="binance", symbols=SYMBOLS, data_types=DATA_TYPES, ws_url=ws_url, rest_url=rest_url, name=DEMO_FEED
    )
    return config.model_copy(
        update={
            "data_dir": data_dir,
            "feed": (feed,),
            "archive": config.archive.model_copy(update={"url": ""}),
            "writer": config.writer.model_copy(update={"batch_interval_secs": 1.0}),
            "segment": config.segment.model_copy(update={"interval_secs": SEGMENT_SECS}),
        }
    )


def run_demo(config: Config, data_dir: Path, stop_after_secs: float | None) -> int:
    """Record the simulator into `data_dir` until Ctrl-C, then say what was written; returns the exit code."""
    data_dir.mkdir(parents=True, exist_ok=True)
    write_mark(data_dir, [LOST_STREAM])
    with _terminal(data_dir / "demo.log") as console, _exchange() as urls:
        console.print(
            f"Recording a made-up exchange into {data_dir} until Ctrl-C; demo.log is there too.", soft_wrap=True
        )
        view = _View(console)
        with view:
            code = record(demo_config(config, *urls, data_dir), stop_after_secs=stop_after_secs, on_status=view.show)
        with suppress(BrokenPipeError):
            _summary(console, data_dir, code, view.answered)
    return code


@contextmanager
def _terminal(log_path: Path) -> Iterator[Console]:
    """Give the terminal to the live view, and this process's and its children's standard output to the log file."""
    sys.stdout.flush()
    terminal = os.dup(1)
    log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.close(log)
    try:
        # What this terminal cannot show, a path or a name, ends nothing.
        with os.fdopen(terminal, "w", closefd=False, encoding=sys.stdout.encoding, errors="backslashreplace") as file:
            yield Console(file=file)
    finally:
        os.dup2(terminal, 1)
        os.close(terminal)


@contextmanager
def _exchange() -> Iterator[tuple[str, str]]:
    """Run the simulator, known by its two addresses, in a session of its own, so that Ctrl-C ends the recording before the exchange."""
    command = [sys.executable, "-m", "collector.simulator", "--exit-with-parent"]
    command += ["--symbols", ",".join(SYMBOLS), "--rate", str(RATE), "--fault", LOST]
    # With PYTHONSAFEPATH it would not look for the package in its working directory.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    process = subprocess.Popen(  # noqa: S603 -- our own module
        command, cwd=_ROOT, env=environment, stdout=subprocess.PIPE, start_new_session=True
    )
    try:
        line = process.stdout.readline() if process.stdout else b""
        if not line:
            raise CannotStartError(f"the built-in exchange cannot start (exit code {process.wait()})")
        said = json.loads(line)
        yield said["ws_url"], said["rest_url"]
    finally:
        process.terminate()
        process.wait()


class _View:
    """A live table on a terminal, a line every few seconds elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=2, transient=True) if console.is_terminal else None
        self._shown = 0
        self.answered: Mapping[str, int] = {}
        """How many requests were answered over REST, by kind."""

    def __enter__(self) -> None:
        if self._live is not None:
            self._live.start()

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, status: Mapping[str, Any]) -> None:
        self.answered = status["repair"]["answered"]
        try:
            if self._live is not None:
                self._live.update(_screen(status))
            elif self._shown % _LINE_EVERY == 0:
                self._console.print(_line(status))
        except BrokenPipeError:
            # Nobody looks any more.
            signal.raise_signal(signal.SIGTERM)
        self._shown += 1


def _line(status: Mapping[str, Any]) -> str:
    segments, writer, archive = status["segments"], status["writer"], status["archive"]
    return (
        f"{status['uptime_secs']:5.0f} s  messages {writer['messages']:,}  segments archived {segments['archived']}"
        f"  Parquet files {archive['uploaded_objects']}  gaps mended {status['repair']['answered'].get('trades', 0)}"
    )


def _screen(status: Mapping[str, Any]) -> Group:
    processes = _table("process", "state", ("pid", "RSS", "CPU"))
    for process in status["processes"]:
        rss, cpu = process["rss_bytes"], process["cpu_percent"]
        used = (f"{rss >> 20} MiB", f"{cpu:.0f} %") if rss is not None else ("", "")
        processes.add_row(process["name"], process["state"], str(process["pid"] or ""), *used)
    streams = _table("symbol", "data type", ("messages", "last durable row"))
    for stream in status["streams"]:
        durable = (stream["last_durable_at"] or "")[11:19]
        streams.add_row(stream["symbol"], stream["data_type"], f"{stream['messages']:,}", durable)
    return Group(Text(_line(status)), processes, streams, Text("Ctrl-C stops in order and shows what was written"))


def _table(first: str, second: str, numbers: tuple[str, ...]) -> Table:
    table = Table(first, second, box=box.SIMPLE_HEAD, pad_edge=False)
    for name in numbers:
        table.add_column(name, justify="right")
    return table


def _summary(console: Console, data_dir: Path, code: int, answered: Mapping[str, int]) -> None:
    manifests = [json.loads(path.read_bytes()) for path in sorted((data_dir / "archive/_manifest").rglob("*.json"))]
    objects = [item for manifest in manifests for item in manifest["objects"]]
    table = _table("data type", "", ("files", "rows", "bytes"))
    for data_type in sorted({item["data_type"] for item in objects}):
        mine = [item for item in objects if item["data_type"] == data_type]
        table.add_row(
            data_type, "", str(len(mine)), f"{sum(i['rows'] for i in mine):,}", f"{sum(i['bytes'] for i in mine):,}"
        )
    console.print(
        f"Stopped with exit code {code}; {len(manifests)} segments are archived in {data_dir}/archive:", soft_wrap=True
    )
    console.print(table)
    console.print(
        f"Fetched over REST: {answered.get('book', 0)} whole books, and the trades of {answered.get('trades', 0)} gaps.",
        soft_wrap=True,
    )
    console.print("Read it, for example with DuckDB:")
    trades = f"{data_dir}/archive/*/data_type=trade/**"
    console.print(_QUERY.format(files=trades), markup=False, soft_wrap=True)
