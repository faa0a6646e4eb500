"""What some exchanges want to be asked over REST before each connection, such as for a token."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlsplit

from collector.config import FeedConfig
from collector.domain.clock import Clock
from collector.domain.errors import UndecodableError
from collector.domain.secrets import forms_of
from collector.exchanges.adapter import Adapter, ConnectionPlan
from collector.exchanges.rest_adapter import Get, Refusal, RestAdapter
from collector.feed.handshake import HandshakeError
from collector.feed.request_weight import WeightBudget
from collector.processes.rest_adapters import read_response

if TYPE_CHECKING:
    from collector.feed.rest import RestResponse

_OK: Final = 200
_STATUSES: Final = {Refusal.PASSING: 503, Refusal.LIMITED: 429, Refusal.FINAL: 400}
"""The status of a refusal that came with status 200: the one that says the same."""


class Questions:
    """Asks the questions of a feed's plans. For any thread.

    A feed with a `ws_url` of its own but no `rest_url` asks nothing: the real exchange would name its own servers.
    """

    def __init__(self, adapter: Adapter, feed: FeedConfig, run_folder: Path, clock: Clock) -> None:
        self._adapter = adapter
        self._clock = clock
        self._rest = adapter.rest
        self._url = ""
        if self._rest is not None and (feed.rest_url or not feed.ws_url):
            self._url = feed.rest_url or self._rest.limits.url
            limits = self._rest.limits
            # Repair leaves a part of the weight unused, and without an answer nothing is recorded at all.
            self._budget = WeightBudget(
                run_folder / f"weight-{limits.budget}.json", limits.weight, limits.window_secs, 1.0, clock.now_ns
            )

    def take(self, plan: ConnectionPlan) -> float:
        """0.0 if the plan's question may be asked now, or if it has none; else the seconds to wait before the next call.

        Raises OSError.
        """
        return self._budget.take(plan.question.weight) if plan.question is not None and self._url else 0.0

    def answered(self, plan: ConnectionPlan) -> ConnectionPlan:
        """Ask the plan's question, if it has one; returns the plan as the answer completes it.

        Raises HandshakeError, whose text quotes nothing of an answer that may hold a token.
        """
        if plan.question is None or self._rest is None or not self._url:
            return plan
        question = plan.question
        response = self._response(question)
        try:
            body = _body(question, self._rest, response)
            dialled = read_response(lambda: self._adapter.dial(plan, body))
        except UndecodableError as error:
            raise HandshakeError(f"the answer to {question.target} cannot be read") from error
        if not _is_websocket(dialled.url):
            raise HandshakeError(f"the answer to {question.target} names no WebSocket server")
        return dialled

    def _response(self, question: Get) -> "RestResponse":
        # urllib3 takes memory, and most exchanges are asked nothing.
        from collector.feed.rest import RestClient, RestError  # noqa: PLC0415

        try:
            return RestClient(self._url, self._clock).get(question.target, question.method, question.body)
        except (RestError, ValueError) as error:  # ValueError: a proxy variable that is not an HTTP proxy
            raise HandshakeError(f"no answer to {question.target}: {error}") from error


def tokens(dialled: ConnectionPlan, plan: ConnectionPlan) -> set[str]:
    """What an answer added to the query of a plan's URL, in all forms in which a text may quote it."""
    added = set(_values(dialled.url)) - set(_values(plan.url))
    return {form for value in added for form in forms_of(value)}


def _body(question: Get, rest: RestAdapter, response: "RestResponse") -> bytes:
    if response.status != _OK:
        raise HandshakeError(
            f"HTTP {response.status} to {question.target}", response.status, response.headers.get("retry-after")
        )
    refusal = read_response(lambda: rest.refusal(response.body))
    if refusal is not None:
        kind, text = refusal
        raise HandshakeError(f"{question.target} was refused: {text}", _STATUSES[kind])
    return response.body


def _is_websocket(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"ws", "wss"} and bool(parts.hostname)


def _values(url: str) -> Iterable[str]:
    return [value for _, value in parse_qsl(urlsplit(url).query)]
