"""What one connection asks for beside its plan's requests: streams one by one after a refusal, and fresh books."""

from collections.abc import Mapping, Sequence
from typing import Final

from collector.domain.clock import Every
from collector.domain.records import StreamKey
from collector.exchanges.adapter import ConnectionPlan, Request
from collector.processes.ingest.feed_context import FeedContext
from collector.processes.ingest.first_data import MAX_NAMED
from collector.processes.ingest.refused_request import RefusedRequest

BOOKS_SECS: Final = 1.0
"""How often a connection looks for books that the writer wants."""


class FurtherRequests:
    """For one connection, whose session sends what it returns."""

    def __init__(self, context: FeedContext, plan: ConnectionPlan, log_fields: Mapping[str, int | None]) -> None:
        self._context = context
        self._plan = plan
        self._log_fields = log_fields
        self.refused = RefusedRequest(plan, context.config.first_data_timeout_secs)
        self._sent_alone = {request.text for request in plan.requests}
        self._opened_us = context.clock.now_us()
        self._book_checks = Every(BOOKS_SECS, context.clock.monotonic)
        self._books: list[StreamKey] = []
        """Whose books are asked for by requests that may not have been sent yet."""
        self.needs_renewal = False
        """Whether books are wanted that only a new connection brings."""

    def due(self, now: float, unsent: int, *, is_staying: bool) -> Sequence[Request]:
        """The requests to send now; none while `unsent` ones wait. Books are asked for only if the connection is staying."""
        if unsent:
            self.refused.wait_from(now)
            return ()
        self._note_books_sent()
        keys = self.refused.due(now)
        if keys:
            return self._apart(keys)
        return self._again(now) if is_staying and self._book_checks.due() else ()

    def end(self) -> None:
        """The connection is over."""
        self._context.fresh_books.give_back(self._books)

    def _note_books_sent(self) -> None:
        if self._books:
            self._context.fresh_books.note_sent(self._books)
            self._books = []

    def _apart(self, keys: Sequence[StreamKey]) -> Sequence[Request]:
        requests = [request for request in self._context.adapter.apart(keys) if request.text not in self._sent_alone]
        if requests:
            self._context.log.info("subscribing_apart", **self._log_fields, count=len(keys), streams=_names(keys))
        return requests

    def _again(self, now: float) -> Sequence[Request]:
        self._books = self._context.fresh_books.take(self._plan.keys, self._opened_us, now)
        if not self._books:
            return ()
        requests = self._context.adapter.again(self._books)
        if not requests:
            self.needs_renewal = True
            return ()
        count, streams = len(self._books), _names(self._books)
        self._context.log.info("subscribing_again", **self._log_fields, count=count, streams=streams)
        return requests


def _names(keys: Sequence[StreamKey]) -> list[str]:
    return [f"{key.symbol} {key.data_type}" for key in keys[:MAX_NAMED]]
