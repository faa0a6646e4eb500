"""Kills and stops of every process of several hosts and of every NATS node, in an order and of kinds that a seed gives."""

import contextlib
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from random import Random
from typing import Final, NamedTuple

from tests.bus.servers import NatsServer
from tests.whole.cluster import KILL_SECS, NODES, Cluster, Host
from tests.whole.running import DEADLINE_SECS, wait_for

KILL: Final = "kill"
STOP_KILL: Final = "stop, kill"
STOP: Final = "stop, continue"
KINDS: Final = (KILL, STOP_KILL, STOP)
SUPERVISOR: Final = "supervisor"
EVERYTHING: Final = "everything"
"""All processes of a host at once."""
SLOWEST_PER_SEC: Final = 100
"""A busy machine's exchange sends so many frames a second."""
PAUSE_FRAMES: Final = (50, 400)
"""What the exchange sends between two strikes, and while somebody is stopped: time that passes, whatever the machine does."""


class Strike(NamedTuple):
    """Who is struck, and how; `frames` of the exchange pass before it, and `stopped_frames` while it is stopped."""

    where: str
    who: str
    kind: str
    frames: int
    stopped_frames: int


def strikes(cluster: Cluster, seed: int, rounds: int) -> Iterator[Strike]:
    """In each round everybody once, in an order of its own."""
    chance = Random(seed)
    hosts = [(host.name, who) for host in cluster.hosts for who in (*sorted(host.pids()), EVERYTHING)]
    targets = [*hosts, *((name, "nats-server") for name in NODES)]
    for _ in range(rounds):
        for where, who in chance.sample(targets, len(targets)):
            kind = KILL if who == EVERYTHING else chance.choice(KINDS)
            yield Strike(where, who, kind, chance.randint(*PAUSE_FRAMES), chance.randint(*PAUSE_FRAMES))


class Striker:
    """Carries strikes out, and brings back whoever does not come back by itself."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._hosts = {host.name: host for host in cluster.hosts}
        self.done: Counter[tuple[str, str, str]] = Counter()
        """By place, process and kind."""

    def carry_out(self, strike: Strike) -> None:
        """Let time pass, then strike; the struck process is back, or will be by itself."""
        self._pass(strike.frames)
        if strike.where in self._hosts:
            is_done = self._strike_host(self._hosts[strike.where], strike)
        else:
            is_done = self._strike_node(self._cluster.node(strike.where), strike)
        self.done[strike.where, strike.who, strike.kind] += is_done

    def _strike_node(self, node: NatsServer, strike: Strike) -> bool:
        if strike.kind != KILL:
            node.send(signal.SIGSTOP)
            self._pass(strike.stopped_frames)
        if strike.kind == STOP:
            node.send(signal.SIGCONT)
        else:
            node.kill()
            node.start(wait=False)
        return True

    def _strike_host(self, host: Host, strike: Strike) -> bool:
        if strike.who == EVERYTHING:
            host.kill()
        elif not self._signalled(host.pids()[strike.who], strike):
            return False
        if strike.who == EVERYTHING or (strike.who == SUPERVISOR and strike.kind != STOP):
            host.recorder.process.wait(KILL_SECS)
            host.start()
        return True

    def _signalled(self, pid: int, strike: Strike) -> bool:
        """Whether the process was there to be struck."""
        with contextlib.suppress(ProcessLookupError):
            if strike.kind != KILL:
                os.kill(pid, signal.SIGSTOP)
                self._pass(strike.stopped_frames)
            os.kill(pid, signal.SIGCONT if strike.kind == STOP else signal.SIGKILL)
            return True
        return False

    def _pass(self, frames: int) -> None:
        passed(self._cluster.sent, frames)


def passed(sent: Callable[[], int], frames: int) -> None:
    """Wait until the exchange has sent so many more."""
    until = sent() + frames
    wait_for(lambda: sent() >= until, DEADLINE_SECS + frames / SLOWEST_PER_SEC)
