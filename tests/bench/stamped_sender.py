"""An exchange that notes when it gave each frame to the kernel; made-up Binance frames on one connection, ws or wss."""

import socket
import ssl
import subprocess
import time
from array import array
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from tests.bench import flood

SEND_BYTES = 16 << 10
"""Most that is given to the kernel at once, so that no frame is noted long before it can be read."""


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1, signed by itself, and its key."""
    made, key = folder / "cert.pem", folder / "key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    names = "subjectAltName=IP:127.0.0.1"
    subprocess.run([*command.split(), "-addext", names, "-keyout", key, "-out", made], check=True, capture_output=True)
    return made, key


class StampedSender:
    """One connection to the recorder. `sent_ns` is the wall time at which the kernel was given each frame, in order.

    A frame is noted just before the call that hands it over, so what it waits for room in a full socket counts, too.
    Over TLS each frame is a record of its own, as exchanges send them.
    """

    def __init__(self, names: list[str], certificate: tuple[Path, Path] | None = None) -> None:
        self._source = flood.frames(names)
        self._tls = None
        if certificate is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(*certificate)
        self._server = socket.create_server(("127.0.0.1", 0))
        scheme = "ws" if certificate is None else "wss"
        self.ws_url = f"{scheme}://127.0.0.1:{self._server.getsockname()[1]}"
        self.sent_ns = array("q")

    def accept(self) -> None:
        """Wait for the recorder to connect."""
        self._server.settimeout(60)
        client, _ = self._server.accept()
        client.settimeout(None)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._client = client if self._tls is None else self._tls.wrap_socket(client, server_side=True)
        flood.shake_hands(self._client)

    def close(self) -> None:
        self._client.close()
        self._server.close()

    def ready(self, number: int) -> list[bytes]:
        """The next frames, as they go over the wire."""
        return [flood.wire(frame) for frame in islice(self._source, number)]

    def send(self, ready: list[bytes]) -> None:
        """Give these frames to the kernel now, one by one."""
        for frame in ready:
            self._give(frame, 1)

    def send_together(self, ready: list[bytes]) -> None:
        """Give them to it in as few calls as `SEND_BYTES` allows; over TLS one by one."""
        if self._tls is not None:
            self.send(ready)
            return
        longest = max(map(len, ready), default=1)
        for part in batched(ready, SEND_BYTES // longest):
            self._give(b"".join(part), len(part))

    def _give(self, data: bytes, number: int) -> None:
        self.sent_ns.extend([time.time_ns()] * number)
        self._client.sendall(data)


def batched(frames: list[bytes], number: int) -> Iterator[list[bytes]]:
    """The frames, so many at a time."""
    return (frames[start : start + number] for start in range(0, len(frames), number))


def sleep_until(monotonic_secs: float) -> None:
    """Return at that moment, or at once if it is past."""
    wait_secs = monotonic_secs - time.monotonic()
    if wait_secs > 0:
        time.sleep(wait_secs)
