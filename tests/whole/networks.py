"""How the recorder reaches its exchange: names of one's own, and a network that drops packets."""

import os
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Self

import pytest

NOBODY: Final = "02:00:00:00:00:99"
"""A hardware address that no interface has: what is sent to it is gone."""


class DroppingNetwork:
    """A namespace with addresses of its own. What is sent to and from them can be dropped: nobody is told, nothing is reset.

    To be used in a `with` block, which removes it. Where none can be made the test is skipped, or in CI fails.
    """

    def __init__(self, addresses: int = 1) -> None:
        self._number = os.getpid()
        self._name = f"dropping{self._number}"
        # 198.18.0.0/15 is for tests of networks: RFC 2544. Each address has a network of 4 with one end here.
        self._ends = [
            tuple(f"198.18.{self._number % 256}.{4 * index + end}" for end in (1, 2)) for index in range(addresses)
        ]
        self.addresses = [there for _, there in self._ends]
        self._undo = ExitStack()

    @property
    def within(self) -> list[str]:
        """A command that runs another at the far end."""
        return ["ip", "netns", "exec", self._name]

    def drop(self, address: str) -> None:
        """Lose every packet to and from this address from now on."""
        self._set_neighbours(address, "replace", "lladdr", NOBODY, "nud", "permanent")

    def carry(self, address: str) -> None:
        """Carry its packets again."""
        self._set_neighbours(address, "del")

    def _set_neighbours(self, address: str, verb: str, *what: str) -> None:
        index = self.addresses.index(address)
        here, there = self._ends[index]
        ip("neigh", verb, there, *what, "dev", self._device("here", index))
        ip("-n", self._name, "neigh", verb, here, *what, "dev", self._device("far", index))

    def __enter__(self) -> Self:
        """The network, up."""
        try:
            self._make()
        except (OSError, subprocess.CalledProcessError) as error:
            self._undo.close()
            refuse(f"no network of one's own can be made here: {getattr(error, 'stderr', '') or error}")
        return self

    def __exit__(self, *what: object) -> None:
        """Remove it."""
        self._undo.close()

    def _make(self) -> None:
        ip("netns", "add", self._name)
        self._undo.callback(ip, "netns", "del", self._name)
        ip("-n", self._name, "link", "set", "lo", "up")
        for index, (here, there) in enumerate(self._ends):
            near, far = self._device("here", index), self._device("far", index)
            ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", self._name)
            self._undo.callback(ip, "link", "del", near)
            _bring_up(near, here)
            _bring_up(far, there, "-n", self._name)

    def _device(self, end: str, index: int) -> str:
        return f"{end}{self._number}x{index}"


def _bring_up(device: str, address: str, *options: str) -> None:
    ip(*options, "addr", "add", f"{address}/30", "dev", device)
    ip(*options, "link", "set", device, "up")


def ip(*arguments: str) -> None:
    """Change the network; raises CalledProcessError if that is refused."""
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True, encoding="utf-8")


def with_hosts(path: Path, hosts: str) -> list[str]:
    """A command that runs another with this as /etc/hosts, in a mount namespace of its own."""
    path.write_text(hosts, "utf-8")
    command = ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', str(path)]
    tried = subprocess.run([*command, "true"], capture_output=True, text=True, check=False, encoding="utf-8")
    if tried.returncode:
        refuse(f"no hosts file of one's own can be mounted here: {tried.stderr.strip()}")
    return command


def refuse(reason: str) -> None:
    """Skip the test for this reason; in CI fail it, where nothing may be missing."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
