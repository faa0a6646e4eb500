"""What repair asks an exchange for: one request, and its purpose."""

from typing import Literal, NamedTuple

from collector.domain.records import StreamKey
from collector.domain.repair_protocol import Request
from collector.exchanges.rest_adapter import Get


class Job(NamedTuple):
    """One GET and its purpose."""

    kind: Literal["clock", "list", "book", "trades", "checkpoint", "poll"]
    get: Get
    stream: StreamKey
    request: Request | None = None
    is_brief: bool = False
    """Whether the answer is a book of few levels."""

    @property
    def is_urgent(self) -> bool:
        """Whether updates come meanwhile that cannot be applied: it may use the weight that others leave alone."""
        return self.kind in {"book", "clock", "list"}

    @property
    def name(self) -> str:
        """The same for every job with this purpose."""
        return self.request.name if self.request else " ".join((self.kind, *self.stream))
