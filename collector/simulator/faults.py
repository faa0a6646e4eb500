"""Trouble on request, as values. `decide` says which fault strikes, `outcome` what the connection then does.

A fault is written `KIND[=PROBABILITY][,FIELD=VALUE…]` on the command line and as an object with the same fields in
JSON: `drop=0.01`, `drop,next=3,stream=btcusdt@trade`, `disconnect,after=1000,code=1001`, `http,status=503,next=2`.
"""

import dataclasses
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from collector.domain.errors import ConfigError
from collector.simulator.frames import BINARY, Frame, bare, combined, payload, wire
from collector.simulator.outbox import Abort, Close, Half, Item, Later, Note, Stall
from collector.simulator.rest import DEPTH, PAGES

FRAME_KINDS: Final = ("drop", "duplicate", "reorder", "disconnect", "stall", "half", "malformed", "shutdown")
REST_KINDS: Final = ("http", "hang", "empty", "stale")
NOW_KINDS: Final = ("disconnect", "stall", "shutdown", "hole")
KINDS: Final = (*FRAME_KINDS, *REST_KINDS, "handshake", "hole")
FORMS: Final = ("json", "truncated", "binary", "empty", "utf8", "large", "unknown_stream", "other_type")
LARGE_BYTES: Final = 5_000_000


@dataclass(frozen=True)
class Fault:
    """One kind of trouble, where it may strike and how often."""

    kind: str
    """One of FRAME_KINDS (data frames) or of REST_KINDS (REST requests), `handshake` (WebSocket handshakes), or `hole`
    (every market passes over ids of trades and aggregates, which it then never had)."""
    probability: float = 1.0
    next: int | None = None
    """How often it still strikes; None: for ever. Without `next` and `probability` it strikes once."""
    after: int = 0
    """How many frames or requests it would fit it lets pass first."""
    stream: str | None = None
    connection: int | None = None
    everywhere: bool = False
    """Decided once a frame and the same for every connection, instead of for each of them apart."""
    now: bool = False
    """Strikes every connection (or `connection`) at once, without waiting for a frame (NOW_KINDS)."""
    secs: float | None = None
    """stall, hang: how long (None: until the connection ends). shutdown: from announcement to close (None: 0)."""
    code: int | None = None
    """disconnect: close code (None: reset). shutdown: close code (None: 1001)."""
    form: str = "json"
    """malformed: which of FORMS is sent after the frame."""
    status: int = 429
    retry_after_secs: int = 1
    path: str | None = None
    """REST_KINDS: only requests for paths that end so; FRAME_KINDS: only connections to paths that end so. With it,
    `drop=1` makes a stream that is acknowledged there and stays silent."""
    ids: int = 1
    """hole: how many."""

    def problems(self) -> list[str]:
        """What is wrong with it, one line for each fault."""
        wrong = []
        if self.kind not in KINDS:
            wrong.append(f"kind = {self.kind!r}: one of {', '.join(KINDS)}")
        if not 0 <= self.probability <= 1:
            wrong.append(f"probability = {self.probability}: 0 to 1")
        if self.form not in FORMS:
            wrong.append(f"form = {self.form!r}: one of {', '.join(FORMS)}")
        if self.now and self.kind not in NOW_KINDS:
            wrong.append(f"now = true: only with {', '.join(NOW_KINDS)}")
        if self.kind == "hole" and not self.now:
            wrong.append("hole: only with now = true")
        if self.code is not None and not (self.code in (1000, 1001, *range(1007, 1015)) or 3000 <= self.code < 5000):  # noqa: PLR2004 - RFC 6455, section 7.4
            wrong.append(f"code = {self.code}: a close code that may be sent")
        return wrong


def parse(text: str) -> Fault:
    """Read a fault as the command line writes it; raises ConfigError."""
    head, *pairs = text.split(",")
    kind, _, probability = head.partition("=")
    fields: dict[str, Any] = {"kind": kind}
    if probability:
        fields["probability"] = probability
    for pair in pairs:
        name, _, value = pair.partition("=")
        fields[name] = value
    return from_fields(fields)


def from_fields(fields: Mapping[str, Any]) -> Fault:
    """Make a fault of named values, which may be text; raises ConfigError naming every bad one."""
    wrong = [] if "kind" in fields else [f"kind is missing: one of {', '.join(KINDS)}"]
    values: dict[str, Any] = {}
    for name, value in fields.items():
        try:
            values[name] = _READERS[name](str(value))
        except KeyError:
            wrong.append(f"{name} = {value!r}: unknown, or not one of true and false")
        except ValueError:
            wrong.append(f"{name} = {value!r}: not a number")
    if not wrong:
        if not values.keys() & {"next", "probability"}:
            values["next"] = 1
        fault = Fault(**values)
        wrong = fault.problems()
    if wrong:
        raise ConfigError(wrong)
    return fault


_READERS: Final[Mapping[str, Callable[[str], Any]]] = {
    **dict.fromkeys(("kind", "stream", "form", "path"), str),
    **dict.fromkeys(("next", "after", "connection", "code", "status", "retry_after_secs", "ids"), int),
    **dict.fromkeys(("probability", "secs"), float),
    **dict.fromkeys(("everywhere", "now"), lambda text: {"true": True, "false": False}[text.lower()]),
}


def rest_kinds(path: str) -> tuple[str, ...]:
    """What can strike a REST request for this path."""
    name = path.rpartition("/")[2]
    return tuple(
        kind
        for kind in REST_KINDS
        if kind in {"http", "hang"} or (kind == "stale" and name == DEPTH) or (kind == "empty" and name in PAGES)
    )


def decide(
    faults: tuple[Fault, ...],
    draw: float,
    *,
    kinds: Iterable[str],
    connection: int | None,
    stream: str | None,
    path: str = "",
) -> tuple[Fault | None, tuple[Fault, ...]]:
    """Choose the fault that strikes here, if any, and say what is left of all of them.

    `draw` is one uniform number of [0, 1): the faults share it out, so at most one strikes. A frame is put to the
    faults `everywhere` with no `connection`, then to the others with each connection it goes to.
    """
    left = list(faults)
    for index, fault in enumerate(faults):
        if fault.kind not in kinds or not _fits(fault, connection, stream, path):
            continue
        if fault.after:
            left[index] = dataclasses.replace(fault, after=fault.after - 1)
        elif draw < fault.probability:
            left[index : index + 1] = _spent(fault)
            return fault, tuple(left)
        else:
            draw -= fault.probability
    return None, tuple(left)


def _fits(fault: Fault, connection: int | None, stream: str | None, path: str) -> bool:
    return (
        fault.everywhere == (connection is None and stream is not None)
        and fault.connection in (None, connection)
        and fault.stream in (None, stream)
        and path.endswith(fault.path or "")
    )


def _spent(fault: Fault) -> list[Fault]:
    if fault.next is None:
        return [fault]
    return [dataclasses.replace(fault, next=fault.next - 1)] if fault.next > 1 else []


def outcome(fault: Fault, frame: Frame, *, wrapped: bool, at_ms: int) -> list[Item]:
    """What a connection does with a frame struck by `fault`; `reorder` waits for a second frame and is not done here."""
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
    """What a connection does when one of NOW_KINDS strikes it; `wrapped`: it stands on `/stream`."""
    match fault.kind:
        case "stall":
            return [Stall(fault.secs)]
        case "shutdown":
            notice = combined("!serverShutdown", f'{{"e":"serverShutdown","E":{at_ms}}}')._replace(fault="shutdown")
            return [notice if wrapped else bare(notice), Later(fault.secs or 0, Close(fault.code or 1001, "shutdown"))]
        case _:
            return [Abort("fault") if fault.code is None else Close(fault.code, "fault")]


def malformed(form: str, frame: Frame) -> bytes:
    """Make the wire bytes of a bad frame in the likeness of a good one."""
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


class ActiveFaults:
    """The faults still in force. Draws are seeded, one series for each connection and one for all together."""

    def __init__(self, seed: int, faults: Iterable[Fault] = ()) -> None:
        """Begin with `faults`."""
        self.faults = tuple(faults)
        self._seed = seed
        self._dice: dict[int | None, random.Random] = {}

    def strike(
        self, kinds: Iterable[str], connection: int | None = None, stream: str | None = None, path: str = ""
    ) -> Fault | None:
        """Put one frame or request to the faults; see `decide`."""
        if not self.faults:
            return None
        if connection not in self._dice:
            self._dice[connection] = random.Random(f"{self._seed}:{connection}")
        draw = self._dice[connection].random()
        fault, self.faults = decide(self.faults, draw, kinds=kinds, connection=connection, stream=stream, path=path)
        return fault
