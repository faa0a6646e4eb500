"""When each polled stream is asked for next: once an interval, each symbol at its own time. In memory only."""

from collections.abc import Callable, Mapping, Sequence

from collector.domain.records import StreamKey
from collector.exchanges.rest_adapter import Poll


class Polls:
    """The polled data types that one feed records. Times are monotonic seconds."""

    def __init__(
        self, exchange: str, polls: Mapping[str, Poll], data_types: Sequence[str], symbols: Callable[[], Sequence[str]]
    ) -> None:
        """`symbols` returns those that the feed records now."""
        self._exchange = exchange
        self._polls = {data_type: polls[data_type] for data_type in data_types if data_type in polls}
        self._symbols = symbols
        self._known: tuple[str, ...] = ()
        self._due_at: dict[StreamKey, float] = {}

    def due(self, now: float) -> list[StreamKey]:
        """The streams that are due, the longest overdue first."""
        if self._polls:
            self._follow_symbols(now)
        return sorted((key for key, at in self._due_at.items() if at <= now), key=self._due_at.__getitem__)

    def of(self, key: StreamKey) -> Poll:
        """How a stream is polled."""
        return self._polls[key.data_type]

    def asked(self, key: StreamKey, now: float) -> float:
        """The stream was asked for, whatever came of it; returns the seconds until it is due again."""
        if key not in self._due_at:
            return 0.0
        every_secs = self._polls[key.data_type].every_secs
        # Times that went by unasked are left out.
        self._due_at[key] += every_secs * max(1.0, (now - self._due_at[key]) // every_secs + 1)
        return self._due_at[key] - now

    def _follow_symbols(self, now: float) -> None:
        symbols = tuple(self._symbols())
        if symbols == self._known:
            return
        self._known = symbols
        due_at = {}
        for index, symbol in enumerate(symbols):
            for data_type, poll in self._polls.items():
                key = StreamKey(self._exchange, symbol, data_type)
                due_at[key] = self._due_at.get(key, now + poll.every_secs * index / len(symbols))
        self._due_at = due_at
