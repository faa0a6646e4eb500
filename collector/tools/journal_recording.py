"""Writes what journals hold as a recording: what the simulator replays, and what adapters are tested with.

A recording has a JSON object a line, in the order of the journal:

    recv_ts_us   when it was received, in µs since the epoch; null in the head of a file
    conn         the connection: the feed, the incarnation of ingest, the connection's number in it
    dir          "in" for a frame, "connect" for a new connection, "meta" for the head of a file and for other events
    raw          the frame's text; what an event says, as JSON
    enc          "b64" if `raw` is base64, because the frame is no UTF-8
    wire         "binary" for a binary frame; "text" for a text frame in base64
    url          of a connection, without secrets

Redundant lines deliver each message on several connections: none is left out.
"""

import base64
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from collector.domain.errors import ConfigError
from collector.storage.journal.format import (
    Frame,
    JournalHeader,
    Record,
    RecordKind,
    connection_in_head,
    event_of,
    frames_of,
)


def recording(header: JournalHeader, records: Iterable[Record]) -> Iterator[str]:
    """The lines of one journal file, each without its line feed and in ASCII, so that a terminal can show it."""
    identity = header.identity
    told = {name: getattr(identity, name) for name in ("feed", "exchange", "symbols", "data_types")}
    yield _line(None, "header", "meta", raw=json.dumps({**told, "number": header.number}))
    for record in records:
        at_us = record.received_ns // 1_000
        if record.kind is RecordKind.FRAMES:
            conn = _connection(header, record.connection)
            yield from (_line(at_us, conn, "in", **_content(frame)) for frame in frames_of(record))
        else:
            yield _event(header, record, at_us)


@contextmanager
def output(path: Path | None) -> Iterator[Callable[[str], None]]:
    """Write lines to a new file, compressed if its name ends with `.zst`, or to standard output.

    A file that was not finished is removed. Raises ConfigError if there is such a file already, and OSError.
    """
    if path is None:
        yield print
        return
    try:
        file = path.open("xb")
    except FileExistsError as error:
        raise ConfigError([f"{path} is there already: name a new file"]) from error
    try:
        with file, _compressed(file) if path.suffix == ".zst" else file as sink:

            def write(line: str) -> None:
                sink.write(line.encode() + b"\n")

            yield write
    except BaseException:
        path.unlink()
        raise


def _compressed(file: Any) -> Any:
    import pyarrow as pa  # noqa: PLC0415 - heavy, and only needed here

    return pa.output_stream(file, compression="zstd")


def _event(header: JournalHeader, record: Record, at_us: int) -> str:
    info = event_of(record)
    conn = _connection(header, connection_in_head(info.get("connection", 0)))
    raw = json.dumps({"event": record.kind.name.lower(), **info})
    if record.kind is RecordKind.CONNECT:
        return _line(at_us, conn, "connect", url=info.get("url", ""), raw=raw)
    return _line(at_us, conn, "meta", raw=raw)


def _connection(header: JournalHeader, number: int) -> str:
    """The same for all frames of one connection; those whose connection nobody noted share number 0."""
    return f"{header.identity.feed}.{header.writer_id}.{number}"


def _content(frame: Frame) -> dict[str, str]:
    try:
        text, encoded = frame.data.decode(), {}
    except UnicodeDecodeError:
        text, encoded = base64.b64encode(frame.data).decode(), {"enc": "b64"}
    if frame.binary:
        return {"raw": text, **encoded, "wire": "binary"}
    return {"raw": text, **encoded, "wire": "text"} if encoded else {"raw": text}


def _line(at_us: int | None, conn: str, direction: str, **content: str) -> str:
    return json.dumps({"recv_ts_us": at_us, "conn": conn, "dir": direction, **content}, separators=(",", ":"))
