"""A dead man's switch: calls a monitoring service while the recorder is healthy; it raises an alarm when calls stop.

So it also reports what no alarm on this machine could: that the machine itself is down.
"""

import http.client
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Final

from collector.domain.log import Log

PING_SECS: Final = 60.0
TIMEOUT_SECS: Final = 10.0

_READ_BYTES: Final = 1_024


class Pinger:
    """Calls `url` every `interval_secs` while `is_well()`, in a daemon thread of its own.

    The address is a secret: neither the address nor a library's error text that may quote it is logged.
    """

    def __init__(self, url: str, is_well: Callable[[], bool], log: Log, interval_secs: float = PING_SECS) -> None:
        self._url = url
        self._is_well = is_well
        self._log = log
        self._interval_secs = interval_secs
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._failing = False
        self.sent = 0
        self.failed = 0

    def start(self) -> None:
        """Start the thread; does nothing without an address."""
        if self._url and self._thread is None:
            self._thread = threading.Thread(target=self._run, name="ping", daemon=True)
            self._thread.start()

    def reconfigure(self, url: str) -> None:
        """Call this address from now on; none if it is empty."""
        self._url = url
        self.start()

    def stop(self) -> None:
        """Make no further calls."""
        self._over.set()

    def _run(self) -> None:
        while not self._over.is_set():
            # Just after the start the recorder is not healthy yet: check again soon, not after a whole interval.
            url, well = self._url, self._is_well()
            if well and url:
                self._ping(url)
            self._over.wait(self._interval_secs if well else min(1.0, self._interval_secs))

    def _ping(self, url: str) -> None:
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT_SECS) as answer:  # noqa: S310 -- http or https: the configuration is checked
                answer.read(_READ_BYTES)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.failed += 1
            if not self._failing:
                self._log.warning("ping_failed", error=_describe(error))
            self._failing = True
        else:
            self.sent += 1
            if self._failing:
                self._log.info("ping_recovered")
            self._failing = False


def _describe(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code}"
    reason = getattr(error, "reason", error)
    # The text of an OSError says what went wrong; that of another error may quote the address.
    return str(reason) if isinstance(reason, OSError) else type(reason).__name__
