"""What a service manager is told of the recorder: that it is ready, alive, stopping.

The protocol is systemd's: datagrams of text to the socket named by NOTIFY_SOCKET.
Source: https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
"""

import os
import socket
from collections.abc import Mapping
from typing import Final

from structlog.typing import FilteringBoundLogger

READY: Final = "READY=1"
STOPPING: Final = "STOPPING=1"
ALIVE: Final = "WATCHDOG=1"


class Service:
    """Talks to the manager that started this process, if one did. For about one call a second; none of them waits."""

    def __init__(self, address: str, log: FilteringBoundLogger, *, watched: bool) -> None:
        """An empty address: there is nobody to talk to. `watched`: it wants signs of life."""
        self._address = address.replace("@", "\0", 1) if address.startswith("@") else address
        self._watched = watched
        self._log = log
        self._said: set[str] = set()
        self._complained = False

    @classmethod
    def of(cls, environment: Mapping[str, str], log: FilteringBoundLogger) -> "Service":
        """As the manager asks for in the environment."""
        meant = environment.get("WATCHDOG_PID", str(os.getpid()))
        watched = "WATCHDOG_USEC" in environment and meant == str(os.getpid())
        return cls(environment.get("NOTIFY_SOCKET", ""), log, watched=watched)

    def tell(self, *, ready: bool, stopping: bool) -> None:
        """Say what is new and, if it wants to know, that the caller's loop turns."""
        if not self._address:
            return
        news = [text for text, true in ((READY, ready), (STOPPING, stopping)) if true and text not in self._said]
        texts = [*news, *([ALIVE] if self._watched else [])]
        if texts and self._send("\n".join(texts)):
            self._said.update(news)

    def _send(self, text: str) -> bool:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as end:
                end.sendto(text.encode(), self._address)
        except OSError as error:
            # The next call tries again; should the manager give up first, it starts the recorder anew.
            if not self._complained:
                self._log.warning("service_manager_deaf", error=str(error))
            self._complained = True
            return False
        return True
