"""What a client sends on one connection, and when."""

import math
from collections import deque
from collections.abc import Iterable
from typing import Final, NamedTuple

PACE_MARGIN: Final = 1.25
"""Messages are sent this many times slower than the exchange allows, because pongs count as messages, too."""

HOUR_SECS: Final = 3_600.0

MOST_REPLIES: Final = 16
"""Of more replies that wait to be sent, the oldest are dropped: the exchange has asked again since."""


class Pace(NamedTuple):
    """How often a client may send on one connection, and what it must send to keep it open."""

    messages_per_sec: float
    requests_per_hour: int | None = None
    """The most requests in any hour; replies and keepalives are none."""
    keepalive: str = ""
    keepalive_secs: float = math.inf


class Outbox:
    """Messages wait here until the exchange allows them. Times are monotonic seconds.

    A keepalive goes out when its time has come, whatever else waits; then replies; then requests, in order.
    """

    def __init__(self, requests: Iterable[str], pace: Pace, now: float) -> None:
        self._requests = deque(requests)
        self._replies = deque[str](maxlen=MOST_REPLIES)
        self._interval_secs = PACE_MARGIN / pace.messages_per_sec
        self._free_at = now
        self._keepalive = pace.keepalive
        # Some exchanges name the rhythm of keepalives in an answer: none may leave no room for requests.
        self._keepalive_secs = max(2 * self._interval_secs, pace.keepalive_secs)
        self._keepalive_at = now + self._keepalive_secs
        self._requested_at = deque[float](maxlen=pace.requests_per_hour or 0)
        """When the last requests were sent, as many as an hour may have."""
        self.due_at = math.inf
        """When the next message may be sent: then call `take`."""
        self._note_due()

    @property
    def requests(self) -> int:
        """How many requests wait."""
        return len(self._requests)

    def request(self, texts: Iterable[str]) -> None:
        """Send these after all requests that wait."""
        self._requests.extend(texts)
        self._note_due()

    def reply(self, text: str) -> None:
        """Send this as soon as the pace allows."""
        self._replies.append(text)
        self._note_due()

    def take(self, now: float) -> str:
        """The message to send now, which must not be before `due_at`."""
        self._free_at = now + self._interval_secs
        text = self._next(now)
        self._note_due()
        return text

    def clear(self) -> None:
        """Send nothing any more."""
        self._requests.clear()
        self._replies.clear()
        self._keepalive_at = math.inf
        self._note_due()

    def _next(self, now: float) -> str:
        if now >= self._keepalive_at:
            self._keepalive_at = now + self._keepalive_secs
            return self._keepalive
        if self._replies:
            return self._replies.popleft()
        self._requested_at.append(now)
        return self._requests.popleft()

    def _note_due(self) -> None:
        due_at = self._keepalive_at
        if self._replies:
            due_at = -math.inf
        elif self._requests:
            due_at = min(due_at, self._request_at())
        self.due_at = max(due_at, self._free_at)

    def _request_at(self) -> float:
        """When one more request makes at most as many as allowed in an hour."""
        is_full = self._requested_at and len(self._requested_at) == self._requested_at.maxlen
        return self._requested_at[0] + HOUR_SECS if is_full else -math.inf
