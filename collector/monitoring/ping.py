"""The dead-man's switch: while all is well somebody elsewhere is called, who raises the alarm when the calls end.

It also tells of what no alarm of this machine could: that the machine itself is gone.
"""

import http.client
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Final

from structlog.typing import FilteringBoundLogger

PING_SECS: Final = 60.0
TIMEOUT_SECS: Final = 10.0

_READ_BYTES: Final = 1_024


class Pinger:
    """Calls `url` every `interval_secs` while `is_well()`, in a thread of its own that nobody waits for.

    The address is a secret: neither it nor what a library says about it is logged.
    """

    def __init__(
        self, url: str, is_well: Callable[[], bool], log: FilteringBoundLogger, interval_secs: float = PING_SECS
    ) -> None:
        self._url = url
        self._is_well = is_well
        self._log = log
        self._interval_secs = interval_secs
        self._over = threading.Event()
        self._failing = False
        self.sent = 0
        self.failed = 0

    def start(self) -> None:
        """Begin; does nothing without an address."""
        if self._url:
            threading.Thread(target=self._run, name="ping", daemon=True).start()

    def stop(self) -> None:
        """Call no more."""
        self._over.set()

    def _run(self) -> None:
        while not self._over.is_set():
            # Not well yet a moment after the start is no reason to wait a whole interval.
            well = self._is_well()
            if well:
                self._ping()
            self._over.wait(self._interval_secs if well else min(1.0, self._interval_secs))

    def _ping(self) -> None:
        try:
            with urllib.request.urlopen(self._url, timeout=TIMEOUT_SECS) as answer:  # noqa: S310 -- http or https: the configuration is checked
                answer.read(_READ_BYTES)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.failed += 1
            if not self._failing:
                self._log.warning("ping_failed", error=_said(error))
            self._failing = True
        else:
            self.sent += 1
            if self._failing:
                self._log.info("ping_recovered")
            self._failing = False


def _said(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code}"
    reason = getattr(error, "reason", error)
    # Of these the text says what went wrong; of others it may quote the address.
    return str(reason) if isinstance(reason, OSError) else type(reason).__name__
