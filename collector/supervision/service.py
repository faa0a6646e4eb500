"""Tells the service manager that the recorder is ready, alive or stopping.

The protocol is systemd's: text datagrams to the socket that NOTIFY_SOCKET names.
Source: https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
"""

import os
import socket
from collections.abc import Mapping
from typing import Final

from collector.domain.log import Log

READY: Final = "READY=1"
STOPPING: Final = "STOPPING=1"
ALIVE: Final = "WATCHDOG=1"


class Service:
    """Notifies the service manager that started this process, if one did. To be called about once a second; never waits."""

    def __init__(self, address: str, log: Log, *, watched: bool) -> None:
        """`address` is empty if there is no service manager. `watched`: it expects watchdog messages."""
        self._address = address.replace("@", "\0", 1) if address.startswith("@") else address
        self._watched = watched
        self._log = log
        self._sent: set[str] = set()
        self._failure_logged = False

    @classmethod
    def of(cls, environment: Mapping[str, str], log: Log, *, after_handover: bool = False) -> "Service":
        """As the environment says: NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID.

        `after_handover`: WATCHDOG_PID is that of the program which this one took over from.
        """
        watched_pid = "" if after_handover else environment.get("WATCHDOG_PID", "")
        watched_pid = watched_pid or str(os.getpid())
        watched = "WATCHDOG_USEC" in environment and watched_pid == str(os.getpid())
        return cls(environment.get("NOTIFY_SOCKET", ""), log, watched=watched)

    def tell(self, *, ready: bool, stopping: bool) -> None:
        """Send states that are new and, if the manager watches, that the caller's loop runs."""
        if not self._address:
            return
        news = [text for text, true in ((READY, ready), (STOPPING, stopping)) if true and text not in self._sent]
        texts = [*news, *([ALIVE] if self._watched else [])]
        if texts and self._send("\n".join(texts)):
            self._sent.update(news)

    def hand_on(self, pid: int) -> None:
        """Tell the manager that another process is the recorder from now on."""
        if self._address:
            self._send(f"MAINPID={pid}")

    def _send(self, text: str) -> bool:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as end:
                end.sendto(text.encode(), self._address)
        except OSError as error:
            # The next call tries again; if the manager gives up before, it restarts the recorder.
            if not self._failure_logged:
                self._log.warning("service_manager_deaf", error=str(error))
            self._failure_logged = True
            return False
        return True
