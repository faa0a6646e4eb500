"""The demo: records the built-in exchange with the real recorder, and shows what it does."""

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace
from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from collector.config import Config, FeedConfig
from collector.domain.errors import CannotStartError, ConfigError
from collector.domain.records import StreamKey
from collector.logs import LogFile
from collector.logs.sink import LineSink, descriptor_writer
from collector.monitoring.status import DEMO_FEED
from collector.read.demo_mark import write_mark
from collector.supervision.display import Display, MakeStatus, Page
from collector.supervision.recorder import record
from collector.supervision.terminal_display import LOG_NAME, terminal_display
from collector.terminal.attached import is_live
from collector.terminal.closing import outcome
from collector.terminal.output import reported_output
from collector.terminal.tables import uncut

SYMBOLS: Final = ("BTCUSDT", "ETHUSDT")
DATA_TYPES: Final = ("book_snapshot", "book_delta", "trade", "agg_trade", "book_ticker")
RATE: Final = 200
SEGMENT_SECS: Final = 10.0
LOST_STREAM: Final = StreamKey("binance", "BTCUSDT", "trade")
LOST: Final = "drop=0.002,stream=btcusdt@trade"
"""Trades that the exchange leaves out, so that there is something to repair: few enough for each gap to have its own row."""

ON_PURPOSE: Final = "The exchange is made up; on purpose it drops one BTCUSDT trade in 500."
"""Said by the demo of itself, so that nobody takes its faults for the recorder's."""

_ROOT: Final = Path(__file__).resolve().parents[2]
_LINE_EVERY: Final = 5
_FLUSH_SECS: Final = 2.0
_QUERY: Final = (
    "  SELECT symbol, count(*), min(price), max(price) "
    "FROM read_parquet('{files}', hive_partitioning = true) GROUP BY symbol;"
)


def demo_config(config: Config, ws_url: str, rest_url: str, data_dir: Path) -> Config:
    """The configuration of the demo: short batches and segments, so that Parquet appears while a person watches."""
    feed = FeedConfig(
        exchange="binance", symbols=SYMBOLS, data_types=DATA_TYPES, ws_url=ws_url, rest_url=rest_url, name=DEMO_FEED
    )
    return replace(
        config,
        role="all",
        data_dir=data_dir,
        feed=(feed,),
        archive=replace(config.archive, url=""),
        writer=replace(config.writer, batch_interval_secs=1.0),
        segment=replace(config.segment, interval_secs=SEGMENT_SECS),
    )


def run_demo(config: Config, data_dir: Path, stop_after_secs: float | None) -> int:
    """Record the simulator into `data_dir` until Ctrl-C, then say what was written; returns the exit code.

    Raises StopError when it cannot begin.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        write_mark(data_dir, [LOST_STREAM])
    except OSError as error:
        raise ConfigError(
            [f"{data_dir} cannot be written: {error.strerror}; start the demo in another folder"]
        ) from error
    return (_on_terminal if is_live(os.environ) else _in_lines)(config, data_dir, stop_after_secs)


def _on_terminal(config: Config, data_dir: Path, stop_after_secs: float | None) -> int:
    with terminal_display(data_dir, demo=ON_PURPOSE) as (display, log_file):
        code = _record(config, data_dir, stop_after_secs, display, log_file)
        display.closing = list(_summary(data_dir, code, display.status, log_file))
    return code


def _in_lines(config: Config, data_dir: Path, stop_after_secs: float | None) -> int:
    """Elsewhere than on a terminal: a line every few seconds, and the log in its file all the same."""
    log_file, display = LogFile(data_dir / "run" / LOG_NAME), _Lines()
    code = _record(config, data_dir, stop_after_secs, display, log_file)
    display.finish()
    with reported_output():
        console = Console()
        for part in _summary(data_dir, code, display.status, log_file):
            console.print(part, crop=False)
    return code


def _record(config: Config, data_dir: Path, stop_after_secs: float | None, display: Display, log_file: LogFile) -> int:
    display.note(f"Demo: {ON_PURPOSE}")
    display.note(f"Recording it into {data_dir} until Ctrl-C; the log is {log_file.path}.")
    with _exchange() as urls:
        demo = demo_config(config, *urls, data_dir)
        return record(demo, stop_after_secs=stop_after_secs, display=display, log_file=log_file)


@contextmanager
def _exchange() -> Iterator[tuple[str, str]]:
    """Run the simulator; yields its WebSocket and REST URL. Raises CannotStartError.

    It has a session of its own, so that Ctrl-C reaches the recorder alone and the exchange outlives it.
    """
    command = [sys.executable, "-m", "collector.simulator", "--exit-with-parent"]
    command += ["--symbols", ",".join(SYMBOLS), "--rate", str(RATE), "--fault", LOST]
    # With PYTHONSAFEPATH Python would not look for the package in the working directory.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    process = subprocess.Popen(  # noqa: S603 -- our own module
        command, cwd=_ROOT, env=environment, stdout=subprocess.PIPE, start_new_session=True
    )
    try:
        line = process.stdout.readline() if process.stdout else b""
        if not line:
            raise CannotStartError(f"the built-in exchange cannot start (exit code {process.wait()})")
        urls = json.loads(line)
        yield urls["ws_url"], urls["rest_url"]
    finally:
        process.terminate()
        process.wait()


class _Lines:
    """Prints a line every few seconds to a pipe or a file; only a thread waits for whoever reads it."""

    def __init__(self) -> None:
        self._sink = LineSink(descriptor_writer(1), lambda count: b"(%d lines were lost)\n" % count)
        self.status: Mapping[str, Any] | None = None
        self._shown = 0

    def note(self, text: str) -> None:
        """Print a sentence before the first status."""
        self._sink.offer(f"{text}\n".encode(sys.stdout.encoding, "backslashreplace"))

    def show(self, make_status: MakeStatus, page: Page) -> None:
        """Print how far it is, every few seconds, and before that where the page is."""
        self.status = status = make_status()
        if self._shown == 0:
            self.note(page.problem or f"The page: {page.url}")
        if self._shown % _LINE_EVERY == 0:
            self.note(_line(status))
        self._shown += 1
        if self._sink.dropped:
            # Nobody reads any more.
            signal.raise_signal(signal.SIGTERM)

    def finish(self) -> None:
        """Wait until all is printed, or nobody reads it."""
        self._sink.flush(_FLUSH_SECS)


def _line(status: Mapping[str, Any]) -> str:
    segments, writer, archive = status["segments"], status["writer"], status["archive"]
    return (
        f"{status['uptime_secs']:5.0f} s  messages {writer['messages']:,}  segments archived {segments['archived']}"
        f"  Parquet files {archive['uploaded_objects']}  gaps repaired {status['repair']['answered'].get('trades', 0)}"
        + ("" if status["healthy"] else f"  NOT HEALTHY: {status['headline']}")
    )


def _table(first: str, second: str, numbers: tuple[str, ...]) -> Table:
    table = Table(first, second, box=box.SIMPLE_HEAD, pad_edge=False)
    for name in numbers:
        table.add_column(name, justify="right")
    return table


def _summary(
    data_dir: Path, code: int, status: Mapping[str, Any] | None, log_file: LogFile
) -> Iterator[RenderableType]:
    """Says what was written and where, and that it was a demo."""
    manifests = [json.loads(path.read_bytes()) for path in sorted((data_dir / "archive/_manifest").rglob("*.json"))]
    answered = status["repair"]["answered"] if status is not None else {}
    yield uncut(outcome(status, code))
    yield uncut(f"{len(manifests)} segments are archived in {data_dir}/archive:")
    yield _objects([item for manifest in manifests for item in manifest["objects"]])
    books, trades = answered.get("book", 0), answered.get("trades", 0)
    yield Text(
        f"Fetched over REST: {books} whole book{'' if books == 1 else 's'},"
        f" and the trades of {trades} gap{'' if trades == 1 else 's'}."
    )
    yield Text(f"This was a demo. {ON_PURPOSE}")
    yield uncut(f"Log: {log_file.path}")
    yield uncut(f"See what is missing and why: collector gaps {shlex.quote(f'{data_dir}/archive')}")
    yield Text("Read it, for example with DuckDB:")
    yield uncut(_QUERY.format(files=f"{data_dir}/archive/*/data_type=trade/**"))


def _objects(objects: Sequence[Mapping[str, Any]]) -> Table:
    table = _table("data type", "", ("files", "rows", "bytes"))
    for data_type in sorted({item["data_type"] for item in objects}):
        mine = [item for item in objects if item["data_type"] == data_type]
        rows, size_bytes = (sum(item[name] for item in mine) for name in ("rows", "bytes"))
        table.add_row(data_type, "", str(len(mine)), f"{rows:,}", f"{size_bytes:,}")
    return table
