"""Hosts with a network between them: each a namespace of its own, whose cable to the others a test can pull."""

import os
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Self

from tests.sites import Site
from tests.whole.networks import ip, refuse


class HostNetwork:
    """A namespace for each name, all on one switch. Each has a second cable, to the test, which is never pulled.

    To be used in a `with` block, which removes it. Where none can be made the test is skipped, or in CI fails.
    """

    def __init__(self, names: Sequence[str]) -> None:
        number = os.getpid()
        self._names = tuple(names)
        self._switch = f"switch{number}"
        self._spaces = {name: f"host{number}x{index}" for index, name in enumerate(names)}
        # 198.18.0.0/15 is for tests of networks: RFC 2544. Each cable to the test is a network of 4.
        net = f"198.19.{number % 256}"
        self._doors = {name: (f"{net}.{4 * index + 1}", f"{net}.{4 * index + 2}") for index, name in enumerate(names)}
        self._undo = ExitStack()

    def site(self, name: str) -> Site:
        """Where the processes of that host run."""
        outside, door = self._doors[name]
        return Site(self._address(name), ("ip", "netns", "exec", self._spaces[name]), door, outside)

    def cut(self, *names: str) -> None:
        """Pull the cables of these hosts: every packet is lost, nobody is told, nothing is reset."""
        for name in names:
            ip("-n", self._switch, "link", "set", self._port(name), "nomaster")

    def join(self, *names: str) -> None:
        """Plug them in again."""
        for name in names:
            ip("-n", self._switch, "link", "set", self._port(name), "master", "bridge")

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
        self._add_space(self._switch)
        ip("-n", self._switch, "link", "add", "bridge", "type", "bridge")
        ip("-n", self._switch, "link", "set", "bridge", "up")
        for name in self._names:
            self._add_host(name)

    def _add_space(self, space: str) -> None:
        ip("netns", "add", space)
        self._undo.callback(ip, "netns", "del", space)
        ip("-n", space, "link", "set", "lo", "up")

    def _add_host(self, name: str) -> None:
        space, port = self._spaces[name], self._port(name)
        self._add_space(space)
        ip("link", "add", port, "netns", self._switch, "type", "veth", "peer", "name", "bus", "netns", space)
        ip("-n", self._switch, "link", "set", port, "up")
        self.join(name)
        _bring_up("bus", f"{self._address(name)}/24", "-n", space)
        outside, door = self._doors[name]
        near = f"door{space.removeprefix('host')}"
        ip("link", "add", near, "type", "veth", "peer", "name", "door", "netns", space)
        self._undo.callback(ip, "link", "del", near)
        _bring_up(near, f"{outside}/30")
        _bring_up("door", f"{door}/30", "-n", space)

    def _address(self, name: str) -> str:
        return f"198.18.0.{self._names.index(name) + 1}"

    def _port(self, name: str) -> str:
        return f"port{self._names.index(name)}"


def _bring_up(device: str, address: str, *options: str) -> None:
    ip(*options, "addr", "add", address, "dev", device)
    ip(*options, "link", "set", device, "up")
