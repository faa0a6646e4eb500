"""The sender as a child process: made, asked to begin, and asked what sending took."""

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, NamedTuple, Self

from tests.bench.recorded import Wire
from tests.whole.running import DEADLINE_SECS, ROOT, wait_for


class Certificate(NamedTuple):
    """A certificate for 127.0.0.1 signed by itself, and its key."""

    path: Path
    key: Path

    @property
    def environment(self) -> dict[str, str]:
        """What makes a client trust it."""
        return {"SSL_CERT_FILE": str(self.path)}


def make_certificate(folder: Path) -> Certificate:
    """On the spot, with the machine's openssl."""
    made = Certificate(folder / "certificate.pem", folder / "key.pem")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(
        [*command.split(), *names, "-keyout", made.key, "-out", made.path], check=True, capture_output=True, timeout=60
    )
    return made


class Sent(NamedTuple):
    """What sending took; times are of the wall clock."""

    began_ns: int
    ended_ns: int
    cpu_secs: float

    @property
    def secs(self) -> float:
        """From the first byte until the kernel had taken the last."""
        return (self.ended_ns - self.began_ns) / 1e9


class Lines:
    """The lines of JSON that a child prints, as they come; each is an object."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._seen: list[dict[str, Any]] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def having(self, name: str) -> list[dict[str, Any]]:
        """The lines so far that say this."""
        return [line for line in list(self._seen) if name in line]

    def wait(self, name: str, number: int = 1, deadline_secs: float = DEADLINE_SECS) -> dict[str, Any]:
        """Wait until so many lines say this; returns the last of them. Fails if the child ends before."""

        def look() -> bool:
            has_ended = self.process.poll() is not None
            if has_ended:
                self._thread.join()
            assert not has_ended or len(self.having(name)) >= number, f"ended without {name!r}: {self._seen[-3:]}"
            assert not self.having("lost"), self.having("lost")
            return len(self.having(name)) >= number

        wait_for(look, deadline_secs)
        return self.having(name)[number - 1]

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._seen.append(json.loads(line))


class Sender:
    """Serves one wire to one client, within a `with` block; at an even pace if `rate`, in frames a second, is given."""

    def __init__(self, wire: Wire, certificate: Certificate | None, rate: float | None = None) -> None:
        self._wire = wire
        self._certificate = certificate
        self._rate = rate

    def __enter__(self) -> Self:
        command = [sys.executable, str(ROOT / "tests/bench/sender.py"), str(self._wire.folder)]
        if self._certificate:
            command += ["--certificate", str(self._certificate.path), "--key", str(self._certificate.key)]
        if self._rate:
            command += ["--rate", str(self._rate / self._wire.connections)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, encoding="utf-8")
        self._lines = Lines(self._process)
        scheme = "wss" if self._certificate else "ws"
        self.ws_url = f"{scheme}://127.0.0.1:{self._lines.wait('port')['port']}"
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(DEADLINE_SECS)
        assert self._process.stdin is not None
        self._process.stdin.close()

    def wait_for_client(self) -> None:
        """Until every connection stands and what it gets is ready."""
        self._lines.wait("stands", self._wire.connections)

    def go(self) -> None:
        """Begin to send."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def sent(self, deadline_secs: float = DEADLINE_SECS) -> Sent:
        """Wait until everything is sent."""
        return Sent(**self._lines.wait("began_ns", deadline_secs=deadline_secs))
