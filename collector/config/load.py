"""From a file and an environment to a Config, or to every reason why not."""

from collections.abc import Collection, Mapping
from pathlib import Path

from pydantic import ValidationError

from collector.config.feeds import SymbolProblems, feed_problems, no_symbol_problems, symbol_lines
from collector.config.model import Config
from collector.config.problems import line, validation_lines
from collector.config.sources import Given, overlay, read_file
from collector.domain.errors import ConfigError


def load(
    path: Path | None,
    environment: Mapping[str, str],
    adapters: Mapping[str, Collection[str]],
    symbol_problems: SymbolProblems = no_symbol_problems,
) -> Config:
    """Return what the environment, over the file at `path` (None: no file), over the defaults, says.

    `adapters` names every known exchange with the data types it can record; `symbol_problems` says what is wrong with
    symbols of an exchange. Raises ConfigError with every fault at
    once, a line each, none of which shows a secret; if the file itself cannot be read, with that alone.
    """
    given = overlay(read_file(path) if path is not None else {}, environment)
    given.tree.setdefault("feed", [{}])
    config, problems = _validate(given)
    problems.extend(line(problem, given) for problem in feed_problems(given.tree["feed"], adapters))
    problems.extend(symbol_lines(given.tree["feed"], adapters, symbol_problems))
    if given.problems or problems or config is None:
        raise ConfigError(given.problems + problems)
    return config


def _validate(given: Given) -> tuple[Config | None, list[str]]:
    try:
        return Config.model_validate(given.tree), []
    except ValidationError as error:
        return None, list(validation_lines(error, given))
