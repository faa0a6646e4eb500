"""Which requests may be sent to one exchange's REST interface now, and what its answers mean.

Within the rate limit, observing bans, and less often while it fails. Several requests may be under way when one meets a
ban or a failure: nothing more is sent until the pause is over, and the answers of the others count as ever. What they say
of the exchange itself is older than the pause: a success does not end it, and only a longer ban makes it longer.
"""

from collections import Counter
from collections.abc import Callable
from typing import Final, Protocol

from collector.backoff import delays
from collector.dial import SERVER_ERROR, Address
from collector.domain.clock import Clock
from collector.domain.errors import RetryError, UndecodableError
from collector.domain.log import Log
from collector.domain.retry import ban_secs, retry_after_secs
from collector.exchanges.rest_adapter import Get, Refusal, RestAdapter
from collector.feed.request_weight import WeightBudget
from collector.feed.rest import RestError, RestResponse
from collector.processes.repair.retry_policy import FORBIDDEN
from collector.processes.rest_adapters import read_response

RETRY_BASE_SECS: Final = 1.0
"""Longest first delay after a failure, in seconds."""

RETRY_MAX_SECS: Final = 300.0
"""Longest delay after many failures, in seconds."""

_BAN_REASONS: Final = {403: "forbidden", 418: "rate_limited", 429: "rate_limited"}
"""Statuses that concern this address, not the request, and how they are counted. 403 comes from the firewall:
https://developers.binance.com/docs/binance-spot-api-docs/rest-api/general-information
"""

_MAX_DIGITS: Final = 9
"""A used weight with more digits than this is not a weight."""

_TEMPORARY_STATUSES: Final = frozenset({408, 425})
"""Request timeout, and too early: the same request may succeed soon."""

_ADDRESS_FAILURES: Final = frozenset({"unreachable", "slow", "server"})
"""Reasons that concern one server: another of the exchange's addresses may answer."""

_OK: Final = 200

_STATUSES: Final = {Refusal.PASSING: 503, Refusal.LIMITED: 429, Refusal.FINAL: 400}
"""The status of a refusal that came with status 200: the one that says the same."""


class Client(Protocol):
    """Sends requests to the exchange; see RestClient."""

    def get(self, target: str, method: str, body: str) -> RestResponse:
        """The whole response. Raises RestError."""
        ...

    def renew(self, address: Address | None) -> None:
        """Send requests from here on over new connections, and to another address than this one."""
        ...


class RetryLaterError(RetryError):
    """The request can be sent again after `wait_secs`; `tried` tells whether it was sent at all."""

    def __init__(self, text: str, wait_secs: float, *, tried: bool) -> None:
        super().__init__(text)
        self.wait_secs = wait_secs
        self.tried = tried


class RefusedError(Exception):
    """The exchange refuses this request: its text, or else its status. Others may be answered."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


class ThrottledClient:
    """For one thread; others send the requests. `failures` counts the failed ones by kind and reason."""

    def __init__(
        self,
        client: Client,
        budget: WeightBudget,
        rest_adapter: RestAdapter,
        clock: Clock,
        random: Callable[[], float],
        log: Log,
    ) -> None:
        self._client = client
        self._budget = budget
        self._rest = rest_adapter
        self._clock = clock
        self._random = random
        self._log = log
        self._delays = delays(RETRY_BASE_SECS, RETRY_MAX_SECS, random)
        self._pause_until = 0.0
        self._pauses = 0
        self._failing = False
        self._bans = 0
        self.failures: Counter[tuple[str, str]] = Counter()

    @property
    def pause_secs(self) -> float:
        """How long all requests wait, because one failed or this address is banned."""
        return max(0.0, self._pause_until - self._clock.monotonic())

    @property
    def is_in_doubt(self) -> bool:
        """Whether the exchange has answered nothing since it failed, or banned this address: one request at a time will tell."""
        return self._failing or self._bans > 0

    def admit(self, kind: str, get: Get, keep: int = 0) -> int:
        """A request may be sent now, and its weight counts from here on. Raises RetryLaterError if it must wait.

        It may be sent only if a weight of `keep` is left for others. Returns how many pauses there were, for `read`.
        """
        if self.pause_secs > 0:
            raise RetryLaterError("requests are paused", self.pause_secs, tried=False)
        self._take_weight(kind, get, keep)
        return self._pauses

    def read(self, kind: str, pauses: int, answer: RestResponse | RestError) -> RestResponse:
        """The response that answers a request which was admitted after so many pauses. Raises RefusedError, RetryLaterError.

        403 may concern the request or the whole address: the request is refused, and later ones wait as for a ban.
        """
        if isinstance(answer, RestError):
            raise self.failed(kind, answer.reason, str(answer), pauses=pauses) from answer
        used = answer.headers.get(self._rest.limits.used_header, "")
        if used.isascii() and used.isdigit() and len(used) <= _MAX_DIGITS:
            self._update_budget(lambda: self._budget.note_used(int(used)))
        status, text = self._meaning(answer)
        if status in _BAN_REASONS:
            banned = self._note_ban(kind, answer, status, text, pauses=pauses)
            if status != FORBIDDEN:
                raise banned
        elif status >= SERVER_ERROR or status in _TEMPORARY_STATUSES:
            raise self.failed(kind, "server", text, answer.address, pauses=pauses)
        elif self._is_news(pauses):
            self._recovered()
        if status != _OK:
            raise RefusedError(text, status)
        return answer

    def failed(
        self, kind: str, reason: str, text: str, address: Address | None = None, *, pauses: int | None = None
    ) -> RetryLaterError:
        """Note a temporary failure: requests pause, longer each time, and then may go to another address.

        That of a request which was admitted after fewer `pauses` than there were is no news, and makes no pause of its own.
        """
        self.failures[kind, reason] += 1
        if reason in _ADDRESS_FAILURES:
            self._client.renew(address)
        if not self._is_news(pauses):
            return RetryLaterError(text, self.pause_secs, tried=True)
        delay = next(self._delays)
        self._pause(delay)
        if not self._failing:
            self._log.warning("rest_failed", kind=kind, reason=reason, error=text, retry_secs=round(delay, 3))
        self._failing = True
        return RetryLaterError(text, delay, tried=True)

    def renew(self, answer: RestResponse) -> None:
        """Send requests from here on over new connections, and to another address than this answer came from."""
        self._client.renew(answer.address)

    def _meaning(self, answer: RestResponse) -> tuple[int, str]:
        """The status that says what the answer means, and its text for the log: some exchanges refuse with status 200."""
        try:
            refusal = read_response(lambda: self._rest.refusal(answer.body))
        except UndecodableError:
            refusal = None
        if refusal is None:
            return answer.status, f"HTTP {answer.status}"
        meaning, text = refusal
        return (_STATUSES[meaning] if answer.status == _OK else answer.status), f"HTTP {answer.status}: {text}"

    def _take_weight(self, kind: str, get: Get, keep: int) -> None:
        try:
            wait_secs = self._budget.take(get.weight, keep)
        except OSError as error:
            raise self.failed(kind, "disk", f"the rate limit file cannot be written: {error}") from error
        if wait_secs > 0:
            raise RetryLaterError("the rate limit is reached", wait_secs, tried=False)

    def _note_ban(self, kind: str, answer: RestResponse, status: int, text: str, *, pauses: int) -> RetryLaterError:
        requested_secs = retry_after_secs(answer.headers.get("Retry-After", ""), self._clock.now_ns() / 1e9)
        self._bans += self._is_news(pauses)
        secs = ban_secs(requested_secs, max(0, self._bans - 1))
        self.failures[kind, _BAN_REASONS[status]] += 1
        self._log.warning("rest_banned", status=answer.status, error=text, secs=secs)
        self._update_budget(lambda: self._budget.ban(secs))
        self._pause(secs)
        return RetryLaterError(text, secs, tried=True)

    def _is_news(self, pauses: int | None) -> bool:
        return pauses in {None, self._pauses}

    def _pause(self, secs: float) -> None:
        self._pauses += 1
        self._pause_until = max(self._pause_until, self._clock.monotonic() + secs)

    def _update_budget(self, update: Callable[[], float]) -> None:
        try:
            while (busy_secs := update()) > 0:
                self._clock.sleep(busy_secs)
        except OSError as error:
            # This process observes it; only its next incarnation does not learn of it.
            self._log.warning("budget_not_shared", error=str(error))

    def _recovered(self) -> None:
        self._bans = 0
        if self._failing:
            self._log.info("rest_recovered")
            self._failing, self._delays = False, delays(RETRY_BASE_SECS, RETRY_MAX_SECS, self._random)
