"""One run of a peer: a script of its own, in an environment of its own, on the same frames from the same sender."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from tests.bench import environment, targets
from tests.bench.figures import Figures, Stored, durable_rate, since, written
from tests.bench.recorded import TYPES, Wire
from tests.bench.sending import Certificate, Lines, Sender
from tests.bench.usage import Watch
from tests.whole.running import DEADLINE_SECS, ROOT

SCRIPTS: Final = ROOT / "tests/bench/peers"
LONG_SECS: Final = 1_200.0
SETTLE_SECS: Final = 0.5
RECORD_OVERHEAD_BYTES: Final = 22
"""What TLS 1.3 adds to a record: its header, its type, and the tag of every cipher in use (RFC 8446 section 5.2)."""


class Peer(NamedTuple):
    """A script, what it is called, its processes, and the Python that has its packages."""

    name: str
    script: str
    processes: int = 1
    python: str = sys.executable
    archives: bool = True
    """Whether Parquet comes of it."""


SINK: Final = Peer("sink", "sink.py", archives=False)
SINGLE: Final = Peer(targets.SINGLE, "single.py")
RECEIVE: Final = Peer(targets.RECEIVE, "../own_receive.py", archives=False)
INSTALLED: Final = {
    "requirements.txt": (
        Peer(targets.NAIVE, "naive.py", processes=3),
        Peer(targets.PICOWS, "picows_receive.py", archives=False),
    ),
    "requirements-cryptofeed.txt": (Peer(targets.CRYPTOFEED, "cryptofeed_lines.py", archives=False),),
}
"""What needs packages of its own, by the file that pins them."""


def all_peers(folder: Path, *, tls: bool) -> tuple[list[Peer], dict[str, str]]:
    """Make the environments; returns the peers, and why others cannot run."""
    peers = [SINGLE, RECEIVE]
    absent: dict[str, str] = {}
    for name, found in INSTALLED.items():
        try:
            python = environment.make(folder / name.removesuffix(".txt"), SCRIPTS / name)
        except environment.CannotMakeError as error:
            absent |= {peer.name: f"cannot be installed: {error}" for peer in found}
        else:
            peers += [peer._replace(python=python) for peer in found]
    if not tls:
        peers = [peer for peer in peers if peer.name != targets.CRYPTOFEED]
        absent.setdefault(targets.CRYPTOFEED, "connects over TLS only")
    return peers, absent


def run(peer: Peer, wire: Wire, certificate: Certificate | None) -> Figures:
    """Let it take all of it. Fails if it counts a row too few or too many."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, Sender(wire, certificate) as sender:
        command = [peer.python, str(SCRIPTS / peer.script), f"{sender.ws_url}{_path(wire)}"]
        wanted = _bytes_sent(wire, certificate) if peer == SINK else wire.messages
        command += ["--messages", str(wanted), "--folder", folder]
        variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        variables |= certificate.environment if certificate else {}
        pipe = subprocess.PIPE
        with subprocess.Popen(
            command,
            cwd=folder,
            env=variables,
            stdin=pipe,
            stdout=pipe,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        ) as process:
            try:
                figures = _measured(Lines(process), peer, sender, wire, wanted)
                assert process.stdin is not None
                process.stdin.close()
                process.wait(DEADLINE_SECS)
                return figures
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # a group of its own: what it has started, too


def _measured(lines: Lines, peer: Peer, sender: Sender, wire: Wire, wanted: int) -> Figures:
    lines.wait("ready")
    lines.wait("process", peer.processes)
    sender.wait_for_client()
    watch = Watch({line["process"]: line["pid"] for line in lines.having("process")})
    time.sleep(SETTLE_SECS)
    before = watch.look()
    sender.go()
    while not any(line["stored"] == wanted for line in lines.having("stored")):
        lines.wait("stored", len(lines.having("stored")) + 1, LONG_SECS)
    durable = watch.look()
    sent = sender.sent()
    done = lines.wait("done", deadline_secs=LONG_SECS)["done"]
    ended_ns = time.time_ns()
    after = watch.look()
    assert done == wanted, f"{peer.name} counts {done} rows of {wanted}"
    samples = [Stored(line["at_ns"], line["stored"]) for line in lines.having("stored")]
    scale = wire.messages / wanted
    return Figures(
        messages=wire.messages,
        payload_bytes=wire.payload_bytes,
        durable_per_sec=durable_rate(samples, sent.began_ns) * scale,
        parquet_per_sec=wire.messages / (ended_ns - sent.began_ns) * 1e9 if peer.archives else None,
        startup_cpu_secs={name: usage.cpu_secs for name, usage in before.items()},
        durable_cpu_secs=since(before, durable),
        cpu_secs=since(before, after if peer.archives else durable),
        rest_rss_bytes={name: usage.rss_bytes for name, usage in before.items()},
        peak_rss_bytes={name: usage.peak_rss_bytes for name, usage in after.items()},
        written_bytes=written(before, after),
        sender_cpu_secs=sent.cpu_secs,
    )


def _bytes_sent(wire: Wire, certificate: Certificate | None) -> int:
    return wire.wire_bytes + (RECORD_OVERHEAD_BYTES * wire.records if certificate else 0)


def _path(wire: Wire) -> str:
    channels = {"book_delta": "depth@100ms", "trade": "trade", "book_ticker": "bookTicker"}
    names = [f"{symbol.lower()}@{channels[data_type]}" for symbol in wire.symbols for data_type in TYPES]
    return f"/stream?streams={'/'.join(names)}"
