"""Which fault strikes a frame or a request, if any."""

import dataclasses
import random
from collections.abc import Iterable

from collector.simulator.fault import REST_KINDS, Fault
from collector.simulator.rest import DEPTH, PAGES


def rest_kinds(path: str) -> tuple[str, ...]:
    """The kinds of faults that can strike a REST request for this path."""
    name = path.rpartition("/")[2]
    return tuple(
        kind
        for kind in REST_KINDS
        if kind in {"http", "hang"} or (kind == "stale" and name == DEPTH) or (kind == "empty" and name in PAGES)
    )


def decide(
    faults: tuple[Fault, ...],
    draw: float,
    *,
    kinds: Iterable[str],
    connection: int | None,
    stream: str | None,
    path: str = "",
) -> tuple[Fault | None, tuple[Fault, ...]]:
    """Choose the fault that strikes here, if any; also return the faults that remain.

    `draw` is one uniform number from [0, 1) for all faults, so at most one strikes. For a frame, call it once without
    `connection` for the faults `everywhere`, then once for each connection for the others.
    """
    remaining = list(faults)
    for index, fault in enumerate(faults):
        if fault.kind not in kinds or not _fits(fault, connection, stream, path):
            continue
        if fault.after:
            remaining[index] = dataclasses.replace(fault, after=fault.after - 1)
        elif draw < fault.probability:
            remaining[index : index + 1] = _spent(fault)
            return fault, tuple(remaining)
        else:
            draw -= fault.probability
    return None, tuple(remaining)


def _fits(fault: Fault, connection: int | None, stream: str | None, path: str) -> bool:
    return (
        fault.everywhere == (connection is None and stream is not None)
        and fault.connection in (None, connection)
        and fault.stream in (None, stream)
        and path.endswith(fault.path or "")
    )


def _spent(fault: Fault) -> list[Fault]:
    if fault.next is None:
        return [fault]
    return [dataclasses.replace(fault, next=fault.next - 1)] if fault.next > 1 else []


class ActiveFaults:
    """The faults in force. Draws are seeded: one series for each connection and one for all connections together."""

    def __init__(self, seed: int, faults: Iterable[Fault] = ()) -> None:
        """Start with `faults`."""
        self.faults = tuple(faults)
        self._seed = seed
        self._randoms: dict[int | None, random.Random] = {}

    def strike(
        self, kinds: Iterable[str], connection: int | None = None, stream: str | None = None, path: str = ""
    ) -> Fault | None:
        """Draw the fault that strikes one frame or request, if any; see `decide`."""
        if not self.faults:
            return None
        if connection not in self._randoms:
            self._randoms[connection] = random.Random(f"{self._seed}:{connection}")
        draw = self._randoms[connection].random()
        fault, self.faults = decide(self.faults, draw, kinds=kinds, connection=connection, stream=stream, path=path)
        return fault
