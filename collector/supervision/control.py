"""How commands reach a running supervisor: files in `run/control/`, a request and its answer under one id.

A command writes `<id>.request` and waits for `<id>.answer`. Whoever carries a request out renames it to `<id>.taken` first:
it is carried out once, also if its answer cannot be written. All are whole from the moment they have their names, and only
their owner may read them. What is old, or was left by a command that is gone, is removed; nothing here grows.
"""

import os
import re
import secrets
import time
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Final, Literal, TypeVar

import msgspec

from collector import __version__
from collector.storage.regular_files import regular_files

RELOAD: Final = "reload"
HANDOVER: Final = "handover"

KEPT_SECS: Final = 300.0
"""Requests and answers that are older are removed: whoever wrote or awaits them is gone."""

MOST_REQUESTS: Final = 64
"""The newest requests, and answers, that are kept if somebody writes more."""

_MOST_BYTES: Final = 1 << 20
_KINDS: Final = ("request", "taken", "answer")
"""What becomes of a request, in this order; each is there before the one before it is gone."""

_ID: Final = re.compile(r"[0-9a-f]{16}")


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What a command asks for."""

    kind: str = RELOAD
    version: str = __version__
    """That of the command's program."""
    dry_run: bool = False
    """Whether only to say what would be done."""
    program: list[str] = []
    """Of a handover: the command line that starts the later program, without its options."""


State = Literal["done", "under_way", "refused"]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a request."""

    state: State
    dry_run: bool = False
    file: str = ""
    """The configuration file that the recorder reads; empty if it has none."""
    config_number: int = 0
    """The number of the configuration that the recorder works by now."""
    changes: list[str] = []
    """Settings and feeds, with what they were and are."""
    processes: list[str] = []
    """What the processes do that are concerned."""
    warnings: list[str] = []
    """What is wrong all the same: the recorder goes on, and tries it again."""
    problems: list[str] = []
    """Why it was refused."""
    still: list[str] = []
    """Who does not yet work by the new configuration."""
    goes_on: bool = False
    """Whether another answer follows."""
    notes: list[str] = []
    """What has happened so far in a handover."""
    pid: int = 0
    """The process of the program that records now, after a handover."""


Content = TypeVar("Content", Request, Answer)


class Control:
    """The files of one data directory, for both sides."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / "run" / "control"

    def open(self) -> None:
        """Make the folder: a supervisor that heeds requests does. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def is_open(self) -> bool:
        """Whether a supervisor heeds requests here, as far as the folder tells."""
        return self._folder.is_dir()

    def changed_at(self) -> int | None:
        """When anything in the folder last came or went, in nanoseconds; None without a folder."""
        try:
            return self._folder.stat().st_mtime_ns
        except OSError:
            return None

    def ask(self, request: Request) -> str:
        """Write a request; returns its id. Raises OSError."""
        number = secrets.token_hex(8)
        self._write(number, "request", request)
        return number

    def answer_to(self, request_id: str) -> Answer | None:
        """The answer, which is removed; None while there is none, or none that this version can read."""
        path = self._path(request_id, "answer")
        answer = _read(path, Answer)
        if answer is not None:
            with suppress(OSError):
                path.unlink()
        return answer

    def awaits(self, request_id: str) -> bool:
        """Whether the request or its answer is there; if not, somebody else has removed them, and no answer will come."""
        return any(self._path(request_id, kind).exists() for kind in _KINDS)

    def withdraw(self, request_id: str) -> None:
        """Take a request back, as far as the disk allows."""
        for kind in _KINDS:
            with suppress(OSError):
                self._path(request_id, kind).unlink(missing_ok=True)

    def take(self) -> tuple[str, Request | None] | None:
        """Take the oldest request, so that nobody takes it again; returns its id and what it asks for.

        None in place of a request that cannot be read; None if none waits. Raises OSError, with nothing taken.
        """
        for _, path in self._aged("request"):
            taken = self._path(path.stem, "taken")
            with suppress(FileNotFoundError):  # it was withdrawn just now
                path.rename(taken)
                return path.stem, _read(taken, Request)
        return None

    def taken(self, kind: str) -> list[str]:
        """The ids of requests of that kind that were taken and not answered, the oldest first. Raises OSError."""
        found = ((path.stem, _read(path, Request)) for _, path in self._aged("taken"))
        return [request_id for request_id, request in found if request is not None and request.kind == kind]

    def answer(self, request_id: str, answer: Answer) -> None:
        """Answer a request that was taken; it is removed then. Raises OSError."""
        self.tell(request_id, answer)
        self._path(request_id, "taken").unlink(missing_ok=True)

    def tell(self, request_id: str, answer: Answer) -> None:
        """Say how far a request that was taken is; it waits on. Raises OSError."""
        if self._path(request_id, "taken").exists():  # else nobody waits any more
            self._write(request_id, "answer", answer)

    def clean(self) -> None:
        """Remove what is old, of too many requests the oldest, and whatever else lies here. Raises OSError."""
        oldest = time.time() - KEPT_SECS
        newest = chain.from_iterable(self._aged(kind)[-MOST_REQUESTS:] for kind in _KINDS)
        kept = {path for at, path in newest if at >= oldest}
        for path in regular_files(self._folder, "*"):
            is_draft = path.suffix == ".new" and _modified(path) >= oldest
            if path not in kept and not is_draft:
                path.unlink(missing_ok=True)

    def _aged(self, kind: str) -> list[tuple[float, Path]]:
        """The files of that kind, the oldest first."""
        paths = regular_files(self._folder, f"*.{kind}")
        return sorted((_modified(path), path) for path in paths if _ID.fullmatch(path.stem))

    def _write(self, request_id: str, kind: str, content: Request | Answer) -> None:
        path = self._path(request_id, kind)
        # A name of its own: a draft that was left by whoever was killed as it wrote is in nobody's way.
        draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(fd, "wb") as file:
                file.write(msgspec.json.encode(content))
                _give_to_owner_of(self._folder, file.fileno())
            draft.replace(path)
        except OSError:
            draft.unlink(missing_ok=True)
            raise

    def _path(self, request_id: str, kind: str) -> Path:
        return self._folder / f"{request_id}.{kind}"


def _read(path: Path, kind: type[Content]) -> Content | None:
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.read(_MOST_BYTES), type=kind)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _give_to_owner_of(folder: Path, fd: int) -> None:
    """What root asks must be readable for the user that the recorder runs as."""
    owner = folder.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        os.fchown(fd, owner.st_uid, owner.st_gid)
