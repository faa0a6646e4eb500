"""Reads settings from the file and overlays the environment. Reports only what cannot be read; the model validates."""

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple, get_origin

from collector.config.display import display, shown_name
from collector.config.environment import is_orchestrators
from collector.config.keys import ENV_PREFIX, SECRETS, SECTIONS, SETTINGS, SHORT_NAMES, VARIABLES, Place, did_you_mean
from collector.domain.errors import ConfigError
from collector.domain.quotes import is_quoted
from collector.domain.redact import HIDDEN, printable

_BOOLS: Final = {"true": True, "1": True, "false": False, "0": False}


class Origin(NamedTuple):
    """The environment variable a value came from, and the variable's text; None where the value is only part of it."""

    variable: str
    text: str | None


@dataclass(frozen=True)
class Given:
    """The settings as a tree of plain values, the places set by the environment, and what could not be read."""

    tree: dict[str, Any]
    origins: dict[Place, Origin] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    file: Path | None = None
    """The TOML file that the tree was read from."""

    def put(self, place: Place, value: Any, origin: Origin) -> None:
        """Set a value, replacing any that is there."""
        *tables, name = place
        table = self.tree
        for part in tables:
            table = table.setdefault(str(part), {})
        table[str(name)] = value
        self.origins[place] = origin


def read_file(path: Path) -> dict[str, Any]:
    """Return the tables of a TOML file. Raises ConfigError if it cannot be read or is not valid TOML."""
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigError([f"{printable(str(path))}: cannot be read: {reason}"]) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError([f"{printable(str(path))}: is not valid TOML: {printable(str(error))}"]) from error


def overlay(tree: dict[str, Any], environment: Mapping[str, str], file: Path | None = None) -> Given:
    """Overlay the environment on the tree that was read from `file`: short names first, then prefixed names over them."""
    broken = [name for name in SECTIONS if not isinstance(tree.get(name, {}), dict)]
    given = Given({name: value for name, value in tree.items() if name not in broken}, file=file)
    source = f" (from {printable(str(file))})" if file else ""
    given.problems.extend(f"{name} = {display(tree[name])}{source}: must be a table" for name in broken)
    given.problems.extend(_unknown_variables(environment))
    given.problems.extend(_quoted_variables(environment))
    environment = {variable: text for variable, text in environment.items() if not is_quoted(text)}
    _put_short_names(given, environment)
    for variable, key in VARIABLES.items():
        if variable in environment and key != "feed":
            text = environment[variable]
            given.put(tuple(key.split(".")), _read(SETTINGS[key].annotation, text), Origin(variable, text))
    _put_feeds(given, environment)
    return given


def _unknown_variables(environment: Mapping[str, str]) -> Iterator[str]:
    for variable, text in sorted(environment.items()):
        known = variable in VARIABLES or is_orchestrators(variable, text)
        if variable.startswith(ENV_PREFIX) and not known:
            yield f"{shown_name(variable)}: unknown variable{did_you_mean(variable.upper(), VARIABLES)}"


def _quoted_variables(environment: Mapping[str, str]) -> Iterator[str]:
    for variable, key in {**SHORT_NAMES, **VARIABLES}.items():
        text = environment.get(variable, "")
        if is_quoted(text):
            said = HIDDEN if key in SECRETS or key == "feed" else display(text)
            yield f"{key} = {said} (from {variable}): is in quotes, which env files keep; must be written without quotes"


def _put_short_names(given: Given, environment: Mapping[str, str]) -> None:
    for variable, key in SHORT_NAMES.items():
        text = environment.get(variable, "").strip()
        if not text:
            continue
        origin = Origin(variable, text)
        if variable == "MARKET_SYMBOL":
            _put_symbols(given, environment, origin)
        elif variable == "BUCKET_NAME":
            given.put(("archive", "url"), f"s3://{text}", origin)
        else:
            given.put(tuple(key.split(".")), _read(SETTINGS[key].annotation, text), origin)


def _put_symbols(given: Given, environment: Mapping[str, str], origin: Origin) -> None:
    feeds = f"{ENV_PREFIX}FEED"
    if "feed" in given.tree or feeds in environment:
        beside = feeds if feeds in environment else "a [[feed]]"
        given.problems.append(
            f"{origin.variable} = {display(origin.text)}: cannot be combined with {beside}; must be unset"
        )
        return
    symbols = [symbol.strip() for symbol in (origin.text or "").split(",")]
    given.tree["feed"] = [{"symbols": symbols}]
    given.origins["feed", 0, "symbols"] = origin


def _put_feeds(given: Given, environment: Mapping[str, str]) -> None:
    variable = f"{ENV_PREFIX}FEED"
    if variable not in environment:
        return
    try:
        feeds = json.loads(environment[variable])
    except (ValueError, RecursionError) as error:
        where = f": {error.msg} at character {error.pos + 1}" if isinstance(error, json.JSONDecodeError) else ""
        given.problems.append(f"{variable}: is not valid JSON{where}; must be a list of feeds, each an object")
        return
    given.put(("feed",), feeds, Origin(variable, None))


def _read(kind: Any, text: str) -> Any:
    """Convert a variable's text to its key's type; text that cannot be converted is returned, and refused by the key."""
    if kind is bool:
        return _BOOLS.get(text.strip().lower(), text)
    if get_origin(kind) is tuple:
        return [entry.strip() for entry in text.split(",")]
    if kind not in {int, float}:
        return text
    try:
        return kind(text)
    except ValueError:
        return text
