"""What becomes of a request for newer settings: they are read and checked, and refused whole or ready to be applied."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from collector.config import Config
from collector.config.change import ConfigChange, difference
from collector.config.handed_on import newest_number, remove_configs, write_config
from collector.domain.errors import ConfigError, StopError
from collector.supervision.control import RELOAD, Answer, Request
from collector.supervision.reload_steps import Steps, steps_of


def _no_doubts(_config: Config) -> list[str]:
    return []


class Source(NamedTuple):
    """Where the settings of a recorder come from."""

    read: Callable[[], Config]
    """Reads them as at the start. Raises StopError."""
    check: Callable[[Config], None]
    """Raises StopError if the recorder could not record by them; it may make folders."""
    file: Path | None = None
    doubts: Callable[[Config], list[str]] = _no_doubts
    """What is wrong with the surroundings, and the recorder goes on without; it may take a while."""


class Current:
    """The configuration that the recorder works by, and its number. Only the supervisor's loop changes it."""

    def __init__(self, config: Config, number: int = 0) -> None:
        self.config = config
        self.number = number

    @classmethod
    def begin(cls, config: Config) -> "Current":
        """That of the start. Files of an earlier run are removed; what the disk keeps of them is not taken for newer."""
        remove_configs(config.data_dir, newest_number(config.data_dir) + 1)
        return cls(config, newest_number(config.data_dir))


class Plan(NamedTuple):
    """What is to be done, and the answer for whoever asked."""

    answer: Answer
    config: Config | None = None
    """The configuration to work by; None if nothing is to be done."""
    steps: Steps = Steps()


Lack = Callable[[int], str]
"""What is lacking for so many more processes; empty if nothing is."""


def plan(request: Request | None, source: Source | None, current: Current, lack: Lack) -> Plan:
    """Read and check the settings; if anything changes, and not only to be shown, they are written for the processes.

    `request` is None if it cannot be read, `source` if the settings are not read from anywhere.
    """
    answer = Answer(state="done", config_number=current.number)
    if request is None or request.kind != RELOAD:
        return Plan(refused(answer, "the request cannot be read, or is one of another version"))
    if source is None:
        return Plan(refused(answer, "a demo's settings cannot change while it runs"))
    answer = replace(answer, dry_run=request.dry_run, file=str(source.file or ""))
    try:
        config, change, steps = _checked(source, current, lack)
    except StopError as error:
        return Plan(refused(answer, *str(error).splitlines()))
    answer = replace(answer, changes=change.lines, processes=steps.lines, warnings=source.doubts(config))
    if request.dry_run:
        return Plan(answer)
    return Plan(answer, current.config) if change.is_empty else _written(answer, config, steps)


def _checked(source: Source, current: Current, lack: Lack) -> tuple[Config, ConfigChange, Steps]:
    config = source.read()
    change = difference(current.config, config)
    if change.refusals:
        raise ConfigError(change.refusals)
    source.check(config)
    steps = steps_of(change, current.config, config)
    if lacking := lack(len(steps.start)):
        raise ConfigError([lacking])
    return config, change, steps


def refused(answer: Answer, *problems: str) -> Answer:
    """The answer that nothing was changed, and why."""
    return replace(answer, state="refused", problems=list(problems), changes=[], processes=[], warnings=[])


def _written(answer: Answer, config: Config, steps: Steps) -> Plan:
    number = newest_number(config.data_dir) + 1
    try:
        write_config(config.data_dir, number, config)
    except OSError as error:
        return Plan(refused(answer, f"the settings cannot be handed on: {error}"))
    return Plan(replace(answer, config_number=number), config, steps)
