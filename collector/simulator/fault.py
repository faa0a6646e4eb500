"""Faults on request: what a fault is, and how it is written.

A fault is written `KIND[=PROBABILITY][,FIELD=VALUE…]` on the command line and as an object with the same fields in
JSON: `drop=0.01`, `drop,next=3,stream=btcusdt@trade`, `disconnect,after=1000,code=1001`, `http,status=503,next=2`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from collector.domain.errors import ConfigError

FRAME_KINDS: Final = ("drop", "duplicate", "reorder", "disconnect", "stall", "half", "malformed", "shutdown")
REST_KINDS: Final = ("http", "hang", "empty", "stale")
NOW_KINDS: Final = ("disconnect", "stall", "shutdown", "hole")
KINDS: Final = (*FRAME_KINDS, *REST_KINDS, "handshake", "hole")
FORMS: Final = ("json", "truncated", "binary", "empty", "utf8", "large", "unknown_stream", "other_type")


@dataclass(frozen=True)
class Fault:
    """A fault: what it does, where it may strike and how often."""

    kind: str
    """One of FRAME_KINDS (data frames) or of REST_KINDS (REST requests), `handshake` (WebSocket handshakes), or `hole`
    (every market skips ids of trades and aggregates, which then never existed)."""
    probability: float = 1.0
    next: int | None = None
    """How many more times it strikes; None: no limit. Without `next` and `probability` it strikes once."""
    after: int = 0
    """How many matching frames or requests pass before it may strike."""
    stream: str | None = None
    connection: int | None = None
    everywhere: bool = False
    """Decided once a frame for all connections, instead of for each connection separately."""
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
    `drop=1` makes a stream on that path that is acknowledged and stays silent."""
    ids: int = 1
    """hole: how many ids are skipped."""

    def problems(self) -> list[str]:
        """What is invalid in it, one line for each problem."""
        problems = []
        if self.kind not in KINDS:
            problems.append(f"kind = {self.kind!r}: must be one of {', '.join(KINDS)}")
        if not 0 <= self.probability <= 1:
            problems.append(f"probability = {self.probability}: must be from 0 to 1")
        if self.form not in FORMS:
            problems.append(f"form = {self.form!r}: must be one of {', '.join(FORMS)}")
        for name, value, least in self._least():
            if value is not None and not value >= least:
                problems.append(f"{name} = {value}: must be {least} or more")
        if self.now and self.kind not in NOW_KINDS:
            problems.append(f"now = true: is possible only with {', '.join(NOW_KINDS)}")
        if self.kind == "hole" and not self.now:
            problems.append("hole: needs now = true")
        if self.code is not None and not (self.code in (1000, 1001, *range(1007, 1015)) or 3000 <= self.code < 5000):  # noqa: PLR2004 - RFC 6455, section 7.4
            problems.append(f"code = {self.code}: must be a close code that may be sent")
        return problems

    def _least(self) -> Iterator[tuple[str, float | None, int]]:
        """Each number that has a least value, and that."""
        yield from (("next", self.next, 1), ("ids", self.ids, 1), ("after", self.after, 0))
        yield from (("secs", self.secs, 0), ("retry_after_secs", self.retry_after_secs, 0))


def parse(text: str) -> Fault:
    """Parse a fault as written on the command line. Raises ConfigError."""
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
    """Make a fault of named values, which may be text. Raises ConfigError that names every invalid one."""
    problems = [] if "kind" in fields else [f"kind is missing: must be one of {', '.join(KINDS)}"]
    values: dict[str, Any] = {}
    for name, value in fields.items():
        try:
            values[name] = _READERS[name](str(value))
        except KeyError:
            problems.append(f"{name} = {value!r}: unknown field, or neither true nor false")
        except ValueError:
            problems.append(f"{name} = {value!r}: must be a number")
    if not problems:
        if not values.keys() & {"next", "probability"}:
            values["next"] = 1
        fault = Fault(**values)
        problems = fault.problems()
    if problems:
        raise ConfigError(problems)
    return fault


_READERS: Final[Mapping[str, Callable[[str], Any]]] = {
    **dict.fromkeys(("kind", "stream", "form", "path"), str),
    **dict.fromkeys(("next", "after", "connection", "code", "status", "retry_after_secs", "ids"), int),
    **dict.fromkeys(("probability", "secs"), float),
    **dict.fromkeys(("everywhere", "now"), lambda text: {"true": True, "false": False}[text.lower()]),
}
