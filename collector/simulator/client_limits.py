"""What the exchange expects of a client's behaviour: few messages, and an answer to every ping."""

from collections import deque
from typing import Final

MESSAGES_PER_SEC: Final = 5


class ClientLimits:
    """Judges one client; times are monotonic seconds, handed in."""

    def __init__(self, pong_timeout_secs: float) -> None:
        """Begin with a client of whom nothing is known."""
        self._pong_timeout_secs = pong_timeout_secs
        self._heard: deque[float] = deque()
        self._unanswered: deque[tuple[bytes, float]] = deque()

    def heard(self, now: float) -> bool:
        """Count one message (pings and pongs count too); True while there are not too many."""
        self._heard.append(now)
        while self._heard[0] <= now - 1:
            self._heard.popleft()
        return len(self._heard) <= MESSAGES_PER_SEC

    def pinged(self, payload: bytes, now: float) -> None:
        """Expect a pong with this payload."""
        self._unanswered.append((payload, now))

    def ponged(self, payload: bytes) -> None:
        """Settle a ping and those before it (RFC 6455, section 5.5.3); an unsolicited pong settles nothing."""
        payloads = [ping for ping, _ in self._unanswered]
        if payload in payloads:
            for _ in range(payloads.index(payload) + 1):
                self._unanswered.popleft()

    def overdue(self, now: float) -> bool:
        """Whether a ping has been left unanswered for too long."""
        return bool(self._unanswered) and now - self._unanswered[0][1] > self._pong_timeout_secs
