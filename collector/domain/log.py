"""The log as every room sees it: an event by its name, with fields."""

from collections.abc import Callable
from typing import Any

Take = Callable[[str, dict[str, Any]], object]
"""Takes an event: its level, and its fields, among them `event`, its name."""


class Log:
    """Hands each event to `take`, with the fields that are bound to this log before the event's own.

    The log of a process (`collector.logs.setup`) never blocks and never raises.
    """

    def __init__(self, take: Take, **bound: Any) -> None:
        self._take = take
        self._bound = bound

    def bind(self, **fields: Any) -> "Log":
        """A log of the same events, each with these fields too."""
        return Log(self._take, **{**self._bound, **fields})

    def debug(self, event: str, **fields: Any) -> None:
        """Log what helps only whoever looks for a fault."""
        self._hand_over("debug", event, fields)

    def info(self, event: str, **fields: Any) -> None:
        """Log what is as it should be."""
        self._hand_over("info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Log trouble that the recorder copes with."""
        self._hand_over("warning", event, fields)

    def error(self, event: str, **fields: Any) -> None:
        """Log trouble that somebody has to look at. An exception is handed over as `exc_info`."""
        self._hand_over("error", event, fields)

    def exception(self, event: str, **fields: Any) -> None:
        """Log an error with the exception that is being handled."""
        self._hand_over("error", event, {"exc_info": True, **fields})

    def _hand_over(self, level: str, event: str, fields: dict[str, Any]) -> None:
        self._take(level, {"event": event, **self._bound, **fields})
