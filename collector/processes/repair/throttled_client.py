"""One exchange's REST interface as it may be asked: within the budget, heeding its bans, and less often while it fails."""

from collections import Counter
from collections.abc import Callable
from typing import Final, Protocol

from structlog.typing import FilteringBoundLogger

from collector.backoff import delays
from collector.dial import SERVER_ERROR
from collector.domain.clock import Clock
from collector.domain.errors import RetryError
from collector.domain.retry import ban_secs, retry_after_secs
from collector.exchanges.rest_adapter import Get
from collector.feed.request_weight import WeightBudget
from collector.feed.rest import RestError, RestResponse
from collector.processes.repair.retry_policy import FORBIDDEN

RETRY_BASE_SECS: Final = 1.0
RETRY_MAX_SECS: Final = 300.0

_TOO_MANY: Final = {403: "forbidden", 418: "rate_limited", 429: "rate_limited"}
"""403 is the web application firewall's.
https://developers.binance.com/docs/binance-spot-api-docs/rest-api/general-information"""

_MANY_DIGITS: Final = 9
_PASSING: Final = frozenset({408, 425})
_OF_THE_ADDRESS: Final = frozenset({"unreachable", "slow", "server"})
"""Reasons that another of the exchange's addresses may not have."""

_OK: Final = 200


class Client(Protocol):
    """Asks the exchange; see RestClient."""

    def get(self, target: str) -> RestResponse:
        """A whole answer, or RestError."""
        ...

    def renew(self) -> None:
        """The next request goes out on a new connection, to another address than the last answer came from."""
        ...


class RetryLaterError(RetryError):
    """The question may be asked again after `wait_secs`; `tried` tells whether it was asked at all."""

    def __init__(self, text: str, wait_secs: float, *, tried: bool) -> None:
        super().__init__(text)
        self.wait_secs = wait_secs
        self.tried = tried


class ThrottledClient:
    """For one thread. `failures` counts, by kind of request and reason, the requests that brought nothing."""

    def __init__(
        self,
        client: Client,
        budget: WeightBudget,
        used_header: str,
        clock: Clock,
        random: Callable[[], float],
        log: FilteringBoundLogger,
    ) -> None:
        self._client = client
        self._budget = budget
        self._used_header = used_header
        self._clock = clock
        self._random = random
        self._log = log
        self._delays = delays(RETRY_BASE_SECS, RETRY_MAX_SECS, random)
        self._pause_until = 0.0
        self._failing = False
        self._bans = 0
        self.failures: Counter[tuple[str, str]] = Counter()

    def ask(self, kind: str, get: Get) -> RestResponse:
        """The exchange's answer: status 200, or one that refuses this request. Raises RetryLaterError.

        After 403, which may mean this request or this address, nobody asks for a while.
        """
        left_secs = self._pause_until - self._clock.monotonic()
        if left_secs > 0:
            raise RetryLaterError("the exchange is left alone for now", left_secs, tried=False)
        self._take_weight(kind, get)
        try:
            answer = self._client.get(get.target)
        except RestError as error:
            raise self.failed(kind, error.reason, str(error)) from error
        used = answer.headers.get(self._used_header, "")
        if used.isascii() and used.isdigit() and len(used) <= _MANY_DIGITS:
            self._share(lambda: self._budget.note_used(int(used)))
        if answer.status in _TOO_MANY:
            banned = self._banned(kind, answer)
            if answer.status == FORBIDDEN:
                return answer
            raise banned
        if answer.status >= SERVER_ERROR or answer.status in _PASSING:
            raise self.failed(kind, "server", f"HTTP {answer.status}")
        self._recovered()
        return answer

    def failed(self, kind: str, reason: str, text: str) -> RetryLaterError:
        """Something that may pass failed: nothing is asked for a while, each time longer, and then perhaps elsewhere."""
        if reason in _OF_THE_ADDRESS:
            self._client.renew()
        delay = next(self._delays)
        self._pause_until = self._clock.monotonic() + delay
        self.failures[kind, reason] += 1
        if not self._failing:
            self._log.warning("rest_failed", kind=kind, reason=reason, error=text, retry_secs=round(delay, 3))
        self._failing = True
        return RetryLaterError(text, delay, tried=True)

    def renew(self) -> None:
        """Ask the next time on a new connection."""
        self._client.renew()

    def _take_weight(self, kind: str, get: Get) -> None:
        try:
            wait_secs = self._budget.take(get.weight)
        except OSError as error:
            raise self.failed(kind, "disk", f"the budget cannot be kept: {error}") from error
        if wait_secs > 0:
            raise RetryLaterError("the budget is spent for now", wait_secs, tried=False)

    def _banned(self, kind: str, answer: RestResponse) -> RetryLaterError:
        asked_secs = retry_after_secs(answer.headers.get("Retry-After", ""), self._clock.now_ns() / 1e9)
        secs = ban_secs(asked_secs, self._bans)
        self._bans += 1
        self.failures[kind, _TOO_MANY[answer.status]] += 1
        self._log.warning("rest_banned", status=answer.status, secs=secs)
        self._share(lambda: self._budget.ban(secs))
        self._pause_until = self._clock.monotonic() + secs
        return RetryLaterError(f"HTTP {answer.status}", secs, tried=True)

    def _share(self, note: Callable[[], float]) -> None:
        try:
            while (busy_secs := note()) > 0:
                self._clock.sleep(busy_secs)
        except OSError as error:
            # This process keeps to what it was told; only others do not hear of it.
            self._log.warning("budget_not_shared", error=str(error))

    def _recovered(self) -> None:
        self._bans = 0
        if self._failing:
            self._log.info("rest_recovered")
            self._failing, self._delays = False, delays(RETRY_BASE_SECS, RETRY_MAX_SECS, self._random)


def is_good(answer: RestResponse) -> bool:
    """Whether it is the answer, not a refusal."""
    return answer.status == _OK
