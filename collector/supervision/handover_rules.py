"""What a handover goes by: what stands in its way, how connections are numbered, and what people are told."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from collector.config import Config
from collector.processes.roles import processes_of, role_of, runs_beside_successor
from collector.reports import IngestReport
from collector.supervision.control import Request

CONNECTIONS_APART: Final = 20_000
"""How far above the newest connection of an ingest those of its counterpart are numbered: more than it opens meanwhile."""

_INITS: Final = frozenset({"tini", "dumb-init", "docker-init", "catatonit"})
"""Programs that are process 1 of a container, and end it when the program that they started ends."""


def hindrance(request: Request, *, is_demo: bool) -> str:
    """Why a handover is not possible; empty if it is."""
    if os.getpid() == 1:
        return "it is process 1, with which its container ends: start the new version in its place"
    if os.getppid() == 1 and (init := _name_of(1)) in _INITS:
        return f"it was started by {init}, with which its container ends: start the new version in its place"
    if is_demo:
        return "a demo is not handed over"
    return "" if request.program else "the request names no program"


def changing_places(config: Config) -> str:
    """The roles of the processes that leave before their successors begin, for people: `repair, writer and archiver`."""
    names = [name for name in processes_of(config) if not runs_beside_successor(name)]
    *first, last = dict.fromkeys(role_of(name).name for name in names)
    return f"{', '.join(first)} and {last}" if first else last


def connected_note(config: Config) -> str:
    """What to tell once the later program's first processes stand."""
    stands = "its connections stand" if config.receives else "it stands"
    return f"{stands}; {changing_places(config)} change places"


def stored_note(config: Config) -> str:
    """What to tell once the later program's own processes have shown that they work."""
    works = "its writer has committed" if config.stores else "it has published"
    return f"{works}; both record" if config.receives else works


def sound_note(config: Config) -> str:
    """What to tell once the later program is known to be sound."""
    return "it brings every stream; the connections of this version are closed" if config.receives else "it is sound"


def first_connection(report: object) -> int:
    """From where on another ingest may number its connections, so that no open ones of both share a number."""
    numbers = [line.connection or 0 for line in report.lines] if isinstance(report, IngestReport) else []
    return max(numbers, default=0) + CONNECTIONS_APART


def warnings(raised: Sequence[str]) -> Iterator[str]:
    """What to tell of a later program that raises these stored formats."""
    if raised:
        yield f"it raises stored formats ({', '.join(raised)}): from its first commit on there is no way back"


def _name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text("utf-8").strip()
    except OSError:
        return ""
