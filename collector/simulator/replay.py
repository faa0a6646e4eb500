"""Serves a recording: `*.jsonl` or `*.jsonl.zst`, one frame a line, of which those with `"dir": "in"` were received.

A line holds `raw` (the frame's text; base64 with `"enc": "b64"`), `recv_ts_us` (may be null) and perhaps `wire`: `binary` or
`text`; without it, base64 is binary. REST responses, `"dir": "http"` with their `url`, are kept. The recording is played
once, under one cursor, to all who subscribed to a frame's stream: to a combined stream of Binance's that its wrap names, or
else to the path of the connection that received it, acknowledgements included.
"""

import asyncio
import base64
import json
import time
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from collector.domain.errors import ConfigError
from collector.simulator.fanout import Fanout
from collector.simulator.frames import BINARY, TEXT, Frame, wire

BATCH: Final = 512
SHORTEST_WAIT_SECS: Final = 0.001

_WRAP: Final = '{"stream":"'


@dataclass
class Recording:
    """Frames and when each is due, in microseconds since the first; due times never fall."""

    frames: list[Frame] = field(default_factory=list)
    due_us: list[int] = field(default_factory=list)
    books: dict[str, str] = field(default_factory=dict)
    """The first recorded body of REST depth of each symbol."""
    hosts: dict[str, str] = field(default_factory=dict)
    """By path: the host of the recorded connections whose frames name no stream."""
    responses: dict[str, str] = field(default_factory=dict)
    """By path and query: the first recorded body of each REST request."""

    def response(self, target: str) -> str | None:
        """The recorded body for a path and query, or else that of the same path with another query; None if there is none."""
        path = urlsplit(target).path
        same_path = (body for known, body in self.responses.items() if urlsplit(known).path == path)
        return self.responses.get(target) or next(same_path, None)


def load(paths: Iterable[Path]) -> Recording:
    """Read recordings, one after another: the second begins when the first has ended.

    Raises OSError for a file that cannot be read, and ConfigError for a file that is not a recording.
    """
    recording = Recording()
    for path in paths:
        base = recording.due_us[-1] if recording.due_us else 0
        start = len(recording.frames)
        first = None
        read = _Read()
        for frame, received_us in _in_order(list(_received(path, read))):
            if received_us is not None and first is None:
                first = received_us
            due = base if received_us is None or first is None else base + received_us - first
            recording.frames.append(frame)
            recording.due_us.append(max(due, recording.due_us[-1] if recording.due_us else 0))
        depths = [(url, body) for url, body in read.bodies if urlsplit(url).path.endswith("/depth")]
        recording.books = _books(depths, recording.frames[start:]) | recording.books
        recording.responses = {_target(url): body for url, body in reversed(read.bodies)} | recording.responses
        recording.hosts |= read.hosts
    return recording


@dataclass
class _Read:
    """What a file holds beside frames."""

    bodies: list[tuple[str, str]] = field(default_factory=list)
    """URL and body of each REST response."""
    urls: dict[str, str] = field(default_factory=dict)
    """The URL of each connection."""
    hosts: dict[str, str] = field(default_factory=dict)
    """See `Recording.hosts`."""


def _in_order(frames: list[tuple[Frame, int | None]]) -> list[tuple[Frame, int | None]]:
    """By time of receipt, where each has one: some recorders wrote one connection after the other."""
    if any(received_us is None for _, received_us in frames):
        return frames
    return sorted(frames, key=lambda frame: frame[1] or 0)


def _target(url: str) -> str:
    """Path and query."""
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def _books(bodies: list[tuple[str, str]], frames: list[Frame]) -> dict[str, str]:
    """By symbol. A recorder of one symbol may have left it out of the URL it recorded."""
    symbols = {frame.stream.partition("@")[0].upper() for frame in frames} - {""}
    only = symbols.pop() if len(symbols) == 1 else ""
    named = {dict(parse_qsl(urlsplit(url).query)).get("symbol", only): body for url, body in reversed(bodies)}
    return {symbol: body for symbol, body in named.items() if symbol}


def _received(path: Path, read: _Read) -> Iterator[tuple[Frame, int | None]]:
    """The received frames; what else the file holds is added to `read`."""
    for number, text in enumerate(_lines(path), start=1):
        try:
            line = json.loads(text)
            if line["dir"] == "http" and "url" in line:
                read.bodies.append((line["url"], line["raw"]))
            if line["dir"] in {"connect", "in"} and "url" in line:
                read.urls[line.get("conn", "")] = line["url"]
            received = (_frame(line, read), line["recv_ts_us"]) if line["dir"] == "in" else None
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigError([f"{path}, line {number} is not a line of a recording: {error!r}"]) from error
        if received:
            yield received


def _lines(path: Path) -> Iterator[bytes]:
    if path.suffix == ".zst":
        import pyarrow as pa  # noqa: PLC0415 - heavy, and only needed here

        with pa.input_stream(str(path), compression="zstd") as stream:
            yield from _split(stream)
    else:
        with path.open("rb") as stream:
            yield from stream


def _split(stream: Any) -> Iterator[bytes]:
    rest = b""
    while block := stream.read(1 << 20):
        *lines, rest = (rest + block).split(b"\n")
        yield from lines
    if rest:
        yield rest


def _frame(line: dict[str, Any], read: _Read) -> Frame:
    """Its stream is what its wrap names, or else the path of its connection."""
    raw: str = line["raw"]
    encoded = line.get("enc") == "b64"
    first = BINARY if line.get("wire", "binary" if encoded else "text") == "binary" else TEXT
    if raw.startswith(_WRAP):
        stream = raw[len(_WRAP) : raw.index('"', len(_WRAP))]
    else:
        url = urlsplit(read.urls.get(line.get("conn", ""), ""))
        stream = url.path.rstrip("/")
        read.hosts[stream] = url.hostname or ""
    return Frame(stream, wire(base64.b64decode(raw) if encoded else raw.encode(), first))


class Replay:
    """Plays a recording."""

    def __init__(self, recording: Recording, speed: float, clients: int, *, loop: bool) -> None:
        """Prepare to play at `speed` times the recorded pace (0: as fast as clients read) once `clients` have subscribed."""
        self.position = 0
        self.rounds = 0
        self.played = False
        self.recording = recording
        self._speed = speed
        self._clients = clients
        self._loop = loop

    @property
    def frames(self) -> int:
        """How many frames the recording has."""
        return len(self.recording.frames)

    async def play(self, fanout: Fanout) -> None:
        """Publish the recording; pauses while nobody is subscribed. Returns at the end, never with `loop`."""
        await fanout.wait_for_subscribers(self._clients)
        while not self.played:
            await (self._paced(fanout) if self._speed else self._flood(fanout))
            fanout.release()
            self.rounds += 1
            if self._loop and self.frames:
                self.position = 0
            else:
                self.played = True

    async def _flood(self, fanout: Fanout) -> None:
        while self.position < self.frames:
            await fanout.wait_for_subscribers(1)
            self._publish_to(fanout, self.position + BATCH)
            await fanout.wait_for_room()

    async def _paced(self, fanout: Fanout) -> None:
        due_us = self.recording.due_us
        started = time.monotonic()
        while self.position < self.frames:
            began_waiting = time.monotonic()
            await fanout.wait_for_subscribers(1)
            started += time.monotonic() - began_waiting
            elapsed_us = (time.monotonic() - started) * self._speed * 1e6
            self._publish_to(fanout, bisect_right(due_us, elapsed_us, lo=self.position))
            if self.position < self.frames:
                wait_secs = (due_us[self.position] - elapsed_us) / self._speed / 1e6
                await asyncio.sleep(max(wait_secs, SHORTEST_WAIT_SECS))

    def _publish_to(self, fanout: Fanout, end: int) -> None:
        fanout.publish(self.recording.frames[self.position : end])
        self.position = min(end, self.frames)
