"""Builds a Config from a file and the environment, or reports every error at once."""

from collections.abc import Collection, Mapping
from pathlib import Path

from pydantic import ValidationError

from collector.config.feeds import SymbolProblems, feed_problems, no_symbol_problems, symbol_lines
from collector.config.model import Config
from collector.config.problems import line, validation_lines
from collector.config.sources import Given, overlay, read_file
from collector.config.validation import validated
from collector.domain.errors import ConfigError


def load(
    path: Path | None,
    environment: Mapping[str, str],
    adapters: Mapping[str, Collection[str]],
    symbol_problems: SymbolProblems = no_symbol_problems,
) -> Config:
    """Return the configuration: the environment over the file at `path` (None: no file) over the defaults.

    `adapters` maps every known exchange to the data types that can be recorded from it; `symbol_problems` checks symbols
    by an exchange's rules. Raises ConfigError with all errors, one line each and without secrets; if the file cannot be
    read, with that error alone.
    """
    given = overlay(read_file(path) if path is not None else {}, environment, path)
    given.tree.setdefault("feed", [{}])
    config, problems = _validate(given)
    problems.extend(line(problem, given) for problem in feed_problems(given.tree["feed"], adapters))
    problems.extend(symbol_lines(given.tree["feed"], adapters, symbol_problems))
    if given.problems or problems or config is None:
        raise ConfigError(given.problems + problems)
    return config


def _validate(given: Given) -> tuple[Config | None, list[str]]:
    try:
        return validated(Config, given.tree), []
    except ValidationError as error:
        return None, list(validation_lines(error, given))
