"""Logs what was sent as JSON lines, so that a test can compare byte for byte.

A data frame is logged when the kernel has taken its last byte: `{"at_ns", "connection", "stream", "raw"}`, or `b64`
in place of `raw` if it is not text, and `fault` if a fault made or moved it. Other lines have an `event`:
`connect`, `request`, `close`, `dropped` (with the frame), `stall`, `half`, `handshake_refused`, and `rest`, a request
over REST that no fault answered. The lines of one connection are in order.
"""

import base64
import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

from collector.simulator.frames import Frame, is_text, payload


class SentLog:
    """An append-only log; without a path nothing is written."""

    def __init__(self, path: Path | None) -> None:
        """Start a new file at `path`."""
        self._file: BinaryIO | None = None if path is None else path.open("wb", buffering=1 << 20)

    def frames(self, connection: int, frames: Iterable[Frame]) -> None:
        """Log data frames that the kernel has taken."""
        if self._file is None:
            return
        start = f'{{"at_ns":{time.time_ns()},"connection":{connection}'
        lines = (f"{start}{_of(frame)}{_fault(frame)}}}\n" for frame in frames)
        self._file.write("".join(lines).encode())

    def dropped(self, connection: int, frame: Frame, why: str) -> None:
        """Log a frame for the connection that was not sent; `why` is `fault`, `half` or `closed`."""
        if self._file is not None:
            start = f'{{"at_ns":{time.time_ns()},"connection":{connection},"event":"dropped","why":"{why}"'
            self._file.write(f"{start}{_of(frame)}{_fault(frame)}}}\n".encode())

    def event(self, connection: int | None, event: str, **fields: Any) -> None:
        """Log any other event."""
        if self._file is not None:
            line = {"at_ns": time.time_ns(), "connection": connection, "event": event, **fields}
            self._file.write(json.dumps(line).encode() + b"\n")

    def flush(self) -> None:
        """Flush everything to the file."""
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """Complete the file."""
        if self._file is not None:
            self._file.close()


def _of(frame: Frame) -> str:
    data = payload(frame.wire)
    if is_text(frame.wire):
        try:
            return f',"stream":{json.dumps(frame.stream)},"raw":{json.dumps(data.decode())}'
        except UnicodeDecodeError:
            pass  # a text frame made invalid on purpose is logged as bytes
    return f',"stream":{json.dumps(frame.stream)},"b64":"{base64.b64encode(data).decode()}"'


def _fault(frame: Frame) -> str:
    return f',"fault":"{frame.fault}"' if frame.fault else ""
