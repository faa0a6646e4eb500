"""The code, the example file and the documentation know the same keys, with the same defaults and bounds."""

import re
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from collector.config import Config, FeedConfig
from collector.config.change import FIXED
from collector.config.keys import KEYS, SHORT_NAMES, VARIABLES, Place, allowed
from collector.config.load import load
from collector.config.validation import validated
from collector.domain.errors import ConfigError
from collector.domain.records import ROW_TYPES
from collector.exchanges import registry

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "config.example.toml"
DOCS = ROOT / "docs" / "CONFIGURATION.md"
ADAPTERS = registry.data_types()

WRITTEN_KEYS = set(KEYS) - {"feed"}


def found_on_pages(form: str) -> list[tuple[str, str]]:
    """What matches `form` on any page, with the page's name."""
    pages = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
    return [(page.name, found) for page in pages for found in re.findall(form, page.read_text("utf-8"), re.DOTALL)]


PASTED_FILES = found_on_pages(r"```toml\n(.*?)```")
PASTED_FEEDS = found_on_pages(r"COLLECTOR_FEED='(.*?)'")


class Entry(NamedTuple):
    """A key as the documentation describes it."""

    key: str
    default: str
    allowed: str
    short_name: str
    text: str


def documented() -> dict[str, Entry]:
    parts = re.split(r"(?m)^#### `(.+)`$", re.sub(r"(?m)^###? .*$", "#### `-`", DOCS.read_text("utf-8")))[1:]
    found = [entry(key, body) for key, body in zip(parts[::2], parts[1::2], strict=True) if key != "-"]
    assert len({each.key for each in found}) == len(found)
    return {each.key: each for each in found}


def entry(key: str, body: str) -> Entry:
    """Read a key's list of facts, and the text below it."""
    facts, text = body.strip().split("\n\n", 1)
    told = dict(line.split(": ", 1) for line in re.sub(r"\n  ", " ", facts).removeprefix("- ").split("\n- "))
    assert set(told) <= {"Default", "Allowed", "Short name"}
    return Entry(key, told["Default"].strip("`"), told["Allowed"], told.get("Short name", "").strip("`"), text)


def uncommented() -> str:
    """Return the example with the "#" taken off its keys; prose has a space behind it."""
    return re.sub(r"(?m)^#(?=[\[a-z])", "", EXAMPLE.read_text("utf-8"))


def place_of(key: str) -> Place:
    name = key.removeprefix("feed.")
    return tuple(key.split(".")) if name == key else ("feed", 0, name)


def written_default(key: str) -> Any:
    return tomllib.loads(f"value = {documented()[key].default}")["value"]


def tree_of_defaults() -> dict[str, Any]:
    tree: dict[str, Any] = {"feed": [{}]}
    for key in documented():
        section, _, name = key.rpartition(".")
        table = tree["feed"][0] if section == "feed" else tree.setdefault(section, {}) if section else tree
        table[name] = written_default(key)
    return tree


def keys_of(tree: dict[str, Any], prefix: str = "") -> set[str]:
    found = set()
    for name, value in tree.items():
        table = value[0] if name == "feed" else value
        found |= keys_of(table, f"{name}.") if isinstance(table, dict) else {prefix + name}
    return found


def test_the_documentation_has_exactly_the_keys_of_the_code() -> None:
    assert set(documented()) == WRITTEN_KEYS


def test_the_example_has_exactly_the_keys_of_the_code() -> None:
    assert keys_of(tomllib.loads(uncommented())) == WRITTEN_KEYS


def test_the_defaults_in_the_documentation_are_those_of_the_code() -> None:
    assert validated(Config, tree_of_defaults()) == Config()


def test_the_defaults_in_the_example_are_written_as_in_the_documentation() -> None:
    assert tomllib.loads(uncommented()) == tree_of_defaults()


def test_a_default_that_follows_from_others_is_documented_as_empty() -> None:
    assert {written_default(key) for key in ("host_name", "feed.name", "archive.url")} == {""}


def test_the_example_loads_as_it_is_and_uncommented(tmp_path: Path) -> None:
    whole = tmp_path / "config.toml"
    whole.write_text(uncommented(), "utf-8")
    assert load(EXAMPLE, {}, ADAPTERS) == load(whole, {}, ADAPTERS) == Config()


@pytest.mark.parametrize("key", sorted(WRITTEN_KEYS))
def test_a_key_is_documented_with_its_bounds_and_short_name(key: str) -> None:
    described = documented()[key]
    short_names = {name: variable for variable, name in SHORT_NAMES.items()}
    assert described.allowed == allowed(place_of(key))
    assert described.short_name == short_names.get(key, "")
    assert described.text.endswith(".")


@pytest.mark.parametrize("key", sorted(key for key in WRITTEN_KEYS if not key.startswith("feed.")))
def test_a_variable_follows_from_its_key_by_the_documented_rule(key: str) -> None:
    rule = "`COLLECTOR_`, then the key in capitals with `__` between its levels"
    assert rule in " ".join(DOCS.read_text("utf-8").split())
    assert VARIABLES["COLLECTOR_" + "__".join(key.upper().split("."))] == key


def test_the_documentation_names_every_exchange() -> None:
    pages = "".join(page.read_text("utf-8") for page in (DOCS.parent / "exchanges").glob("*.md"))
    assert set(re.findall(r"^\| `(\w+)` \|", pages, flags=re.MULTILINE)) == set(ADAPTERS)


def test_the_documentation_and_the_example_name_every_data_type() -> None:
    assert [name for name in ROW_TYPES if f"`{name}`" not in documented()["feed.data_types"].text] == []
    (comment,) = re.findall(r"# Any of ((?:.*\n#)*.*) that the exchange offers", EXAMPLE.read_text("utf-8"))
    assert re.findall(r"\w+", comment) == re.findall(r"`(\w+)`", documented()["feed.data_types"].text)[: len(ROW_TYPES)]
    assert {name for offered in ADAPTERS.values() for name in offered} <= set(ROW_TYPES)


def test_every_key_says_what_is_allowed() -> None:
    switches = {key for key in KEYS if allowed(place_of(key)) == "true or false"}
    assert switches == {key for key, field in KEYS.items() if field.annotation is bool}


def test_the_keys_that_need_a_restart_are_documented_with_the_reason() -> None:
    chapter = DOCS.read_text("utf-8").split("\n## What can change while it records\n", 1)[1].split("\n## ", 1)[0]
    assert dict(re.findall(r"^- `([\w.]+)`: (.+)[;.]$", chapter, re.MULTILINE)) == FIXED


def test_the_errors_in_the_documentation_are_real(tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_text("[[feed]]\nlines = 0\n[http]\nprt = 1", "utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path, {"MAX_BATCH_SIZE": "ten"}, ADAPTERS)
    assert len(caught.value.problems) == 3
    problems = {line.replace(str(path), path.name) for line in caught.value.problems}
    assert problems <= set(DOCS.read_text("utf-8").splitlines())


@pytest.mark.parametrize(("page", "pasted"), PASTED_FILES)
def test_each_configuration_in_the_docs_loads_as_it_is(page: str, pasted: str, tmp_path: Path) -> None:
    path = tmp_path / Path(page).with_suffix(".toml").name
    path.write_text(pasted, "utf-8")
    assert load(path, {}, ADAPTERS, registry.symbol_problems) != Config()


@pytest.mark.parametrize(("page", "pasted"), PASTED_FEEDS)
def test_each_variable_of_feeds_in_the_docs_loads_as_it_is(page: str, pasted: str) -> None:
    assert load(None, {"COLLECTOR_FEED": pasted}, ADAPTERS, registry.symbol_problems) != Config(), page


def test_the_feeds_in_the_documentation_can_be_given_in_the_environment() -> None:
    (feeds,) = re.findall(r"COLLECTOR_FEED='(.*?)'", DOCS.read_text("utf-8"))
    (feed,) = load(None, {"COLLECTOR_FEED": feeds}, ADAPTERS).feed
    assert feed == FeedConfig(symbols=("BTCUSDT", "ETHUSDT"), lines=2)
