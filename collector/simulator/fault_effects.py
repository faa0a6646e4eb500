"""What a connection does when a fault strikes it."""

from typing import Final

from collector.simulator.fault import Fault
from collector.simulator.frames import BINARY, Frame, bare, combined, payload, wire
from collector.simulator.outbox import Abort, Close, Half, Item, Later, Note, Stall

LARGE_BYTES: Final = 5_000_000


def outcome(fault: Fault, frame: Frame, *, wrapped: bool, at_ms: int) -> list[Item]:
    """What a connection does with a frame struck by `fault`; `reorder` needs a second frame and is handled by Fanout."""
    match fault.kind:
        case "drop":
            return [Note(frame, "fault")]
        case "duplicate":
            return [frame, frame._replace(fault="duplicate")]
        case "half":
            return [Half(frame), Stall(None)]
        case "malformed":
            return [frame, Frame(frame.stream, malformed(fault.form, frame), "malformed")]
        case _:
            return [*at_once(fault, wrapped=wrapped, at_ms=at_ms), frame]


def at_once(fault: Fault, *, wrapped: bool, at_ms: int) -> list[Item]:
    """What a connection does when one of NOW_KINDS strikes it; `wrapped`: it is on `/stream`."""
    match fault.kind:
        case "stall":
            return [Stall(fault.secs)]
        case "shutdown":
            notice = combined("!serverShutdown", f'{{"e":"serverShutdown","E":{at_ms}}}')._replace(fault="shutdown")
            return [notice if wrapped else bare(notice), Later(fault.secs or 0, Close(fault.code or 1001, "shutdown"))]
        case _:
            return [Abort("fault") if fault.code is None else Close(fault.code, "fault")]


def malformed(form: str, frame: Frame) -> bytes:
    """The wire bytes of a malformed frame made from a valid one."""
    good = payload(frame.wire)
    if form == "binary":
        return wire(good, BINARY)
    if form == "large":
        return wire(_wrapped(frame.stream, b'"' + b"x" * LARGE_BYTES + b'"'))
    bad = {
        "json": _wrapped(frame.stream, b'{"e":,}'),
        "truncated": good[: len(good) // 2],
        "empty": b"",
        "utf8": _wrapped(frame.stream, b'"\xff\xfe\xc3("'),
        "unknown_stream": _wrapped("nobody@asked", good),
        "other_type": _wrapped(frame.stream, b'{"e":"kline","E":1,"s":"X","k":{}}'),
    }
    return wire(bad[form])


def _wrapped(stream: str, data: bytes) -> bytes:
    return b'{"stream":"' + stream.encode() + b'","data":' + data + b"}"
