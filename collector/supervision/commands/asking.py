"""Asks a running recorder for something and waits for its answer."""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from collector.domain.errors import ConfigError, StopError
from collector.storage.locks import supervisor_lock
from collector.supervision.commands.options import load_config
from collector.supervision.control import Answer, Control, Request

_POLL_SECS: Final = 0.1
_REMOVED: Final = (
    "somebody removed run/ of the data folder, and the request with it: `collector status` and the recorder's log "
    "say what became of it"
)


class NoAnswerError(StopError):
    """Nobody can answer, or does."""


def data_dir_of(options: argparse.Namespace) -> Path:
    """The data folder of the recorder that --config or --data-dir means. Raises ConfigError."""
    if options.config is not None and options.data_dir is not None:
        raise ConfigError(["--config and --data-dir: give one of them"])
    data_dir: Path = options.data_dir or load_config(options.config).data_dir
    return data_dir


def require_recorder(data_dir: Path, *, named: bool) -> None:
    """Raise NoAnswerError if no recorder there takes requests. `named`: the folder was given, not found in settings."""
    if supervisor_lock(data_dir).is_free():
        hint = (
            ""
            if named
            else "; data_dir cannot change while it records: --data-dir DIR names the folder of one that runs"
        )
        raise NoAnswerError(f"no recorder runs on {data_dir}{hint}")
    if not Control(data_dir).is_open():
        raise NoAnswerError(f"the recorder on {data_dir} takes no requests: it is starting, or of an older version")


def ask(
    data_dir: Path, request: Request, limit_secs: float, progress: Callable[[Answer], None] = lambda _answer: None
) -> Answer:
    """The last answer to the request, which is taken back if none comes for `limit_secs`. Raises NoAnswerError.

    `progress` is called with each answer that says how far it is.
    """
    control = Control(data_dir)
    try:
        request_id = control.ask(request)
    except OSError as error:
        raise NoAnswerError(f"the request cannot be written: {error}") from error
    try:
        return _awaited(control, request_id, limit_secs, progress)
    finally:
        control.withdraw(request_id)


def _awaited(control: Control, request_id: str, limit_secs: float, progress: Callable[[Answer], None]) -> Answer:
    deadline = time.monotonic() + limit_secs
    while time.monotonic() < deadline:
        answer = control.answer_to(request_id)
        if answer is not None and not answer.goes_on:
            return answer
        if answer is not None:
            progress(answer)
            deadline = time.monotonic() + limit_secs
        if not control.awaits(request_id):
            raise NoAnswerError(_REMOVED)
        time.sleep(_POLL_SECS)
    raise NoAnswerError(f"the recorder did not answer within {limit_secs:.0f} seconds; its log may say why")
