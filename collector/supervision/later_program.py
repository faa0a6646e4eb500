"""Takes over from a program that records already and has started this one: see `succession`."""

import select
import time
from pathlib import Path
from typing import Final

import msgspec

from collector import __version__, logs, scrub
from collector.config import Config
from collector.config.handed_on import read_config
from collector.domain.errors import CannotStartError, ConfigError, StopError
from collector.processes.context import SystemClock
from collector.storage.locks import supervisor_lock
from collector.storage.version_check import refuse_newer_data
from collector.supervision.display import NoDisplay
from collector.supervision.handover_link import Failed, Hello, Link
from collector.supervision.life import Run
from collector.supervision.recorder import supervise
from collector.supervision.reload_plan import Current, Source
from collector.supervision.signals import Signals
from collector.supervision.succession import Succession
from collector.terminal.attached import can_hang_up

_HELLO_SECS: Final = 30.0
_FLUSH_SECS: Final = 2.0


def take_over_from(descriptor: int, source: Source) -> int:
    """Record beside the program that gave this one the `descriptor`, then in its place; returns the exit code.

    Raises StopError when it cannot.
    """
    try:
        link = Link.inherited(descriptor)
    except OSError as error:
        raise CannotStartError(
            f"--take-over-from is for a program that `collector handover` starts: {error}"
        ) from error
    try:
        return _record(link, _greeted(link), source)
    except StopError as error:
        link.send(Failed(reason=str(error)))
        raise


def _greeted(link: Link) -> Hello:
    deadline = time.monotonic() + _HELLO_SECS
    while not link.is_closed and (left_secs := deadline - time.monotonic()) > 0:
        select.select([link], [], [], left_secs)
        for message in link.receive():
            if isinstance(message, Hello):
                return message
    raise CannotStartError("the program to take over from says nothing that this one understands")


def _handed(hello: Hello) -> Config:
    try:
        return read_config(Path(hello.data_dir), hello.config_number)
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigError([f"the settings that version {hello.version} records by cannot be read: {error}"]) from error


def _record(link: Link, hello: Hello, source: Source) -> int:
    config = _handed(hello)
    signals = Signals(hangup_reloads=not can_hang_up())
    signals.install()
    scrub.begin(*config.secrets)
    log_file = logs.LogFile(Path(hello.log_file)) if hello.log_file else None
    log = logs.setup("supervisor", hello.run_id, config.log.format, config.log.level, file=log_file)
    lock = supervisor_lock(config.data_dir)
    lock.adopt(hello.lock)
    try:
        refuse_newer_data(config.data_dir)
        log.info("started", version=__version__, data_dir=str(config.data_dir), after=hello.version)
        succession = Succession(link, hello, config, signals, SystemClock(), log)
        current = Current(config, hello.config_number)
        run = Run(current, source, hello.run_id, lock, signals, log, NoDisplay(), log_file, succession)
        return supervise(run, succession.first_processes, hello.stop_after_secs)
    finally:
        logs.flush(_FLUSH_SECS)
        lock.release()
