"""The configurations of a run as files, `run/config-<number>.json`: how a running child gets a newer one.

The supervisor writes each before it tells the children of its number; they also look for it by themselves. Only the owner
may read the files: they hold secrets.
"""

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from collector.config.model import Config
from collector.folders import matching

_NAME: Final = re.compile(r"config-([0-9]{1,9})\.json")


def write_config(data_dir: Path, number: int, config: Config) -> None:
    """Write the configuration of that number, of which there is none yet or an outdated one. Raises OSError."""
    path = _file(data_dir, number)
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(msgspec.json.encode(config, enc_hook=str))
    new.replace(path)


def read_config(data_dir: Path, number: int) -> Config:
    """The configuration of that number. Raises OSError, or msgspec.MsgspecError if another version wrote it."""
    config: Config = msgspec.json.decode(_file(data_dir, number).read_bytes(), type=Config, dec_hook=_made)
    return config


def newest_number(data_dir: Path) -> int:
    """The highest number of a configuration that is there; 0 if there is none."""
    return max(_numbers(data_dir), default=0)


def remove_configs(data_dir: Path, below: int) -> None:
    """Remove the configurations with lower numbers, as far as the disk allows."""
    for number in _numbers(data_dir):
        if number < below:
            with suppress(OSError):
                _file(data_dir, number).unlink()


def _numbers(data_dir: Path) -> list[int]:
    found = (_NAME.fullmatch(path.name) for path in matching(data_dir / "run", "config-*.json"))
    return [int(match[1]) for match in found if match]


def _file(data_dir: Path, number: int) -> Path:
    return data_dir / "run" / f"config-{number}.json"


def _made(kind: type[Any], value: Any) -> Any:
    return kind(value)
