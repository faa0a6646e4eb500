"""The exchange's limits for a client: messages a second, and the time to answer a ping."""

from collections import deque


class ClientLimits:
    """Checks one client; times are monotonic seconds, passed in."""

    def __init__(self, pong_timeout_secs: float, messages_per_sec: int | None) -> None:
        """Start with no message counted and no ping outstanding; None: the exchange counts no messages."""
        self._pong_timeout_secs = pong_timeout_secs
        self._messages_per_sec = messages_per_sec
        self._message_times: deque[float] = deque()
        self._unanswered: deque[tuple[bytes, float]] = deque()

    def count_message(self, now: float) -> bool:
        """Count one message (pings and pongs count too); True while the client is within the limit."""
        self._message_times.append(now)
        while self._message_times[0] <= now - 1:
            self._message_times.popleft()
        return self._messages_per_sec is None or len(self._message_times) <= self._messages_per_sec

    def note_ping(self, payload: bytes, now: float) -> None:
        """Expect a pong with this payload."""
        self._unanswered.append((payload, now))

    def note_pong(self, payload: bytes) -> None:
        """Settle a ping and those before it (RFC 6455, section 5.5.3); an unsolicited pong settles nothing."""
        payloads = [ping for ping, _ in self._unanswered]
        if payload in payloads:
            for _ in range(payloads.index(payload) + 1):
                self._unanswered.popleft()

    def overdue(self, now: float) -> bool:
        """Whether a ping has been unanswered for too long."""
        return bool(self._unanswered) and now - self._unanswered[0][1] > self._pong_timeout_secs
