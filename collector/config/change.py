"""What differs between two configurations, and what of that cannot change while the recorder runs. Pure."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from msgspec.structs import asdict

from collector.config.display import display
from collector.config.model import Config, FeedConfig, Section
from collector.config.values import Secret

FIXED: Final = {
    "data_dir": "the processes hold their locks and files there",
    "host_name": "it is part of the names of what is archived",
    "role": "it decides which processes there are",
    "channel.capacity": "the Queues of running processes keep their size",
}
"""Keys that cannot change while the recorder runs, and why."""

_NAMED: Final = 5
"""Entries of a list that a line names before it only counts them."""
_LISTS: Final = ("symbols", "exclude", "data_types")


class Setting(NamedTuple):
    """A key outside the feeds with its two values, written for people; a secret is not written."""

    key: str
    old: str
    new: str


class FeedSetting(NamedTuple):
    """A key of a feed that is in both configurations; `what` says for people how it differs."""

    feed: str
    key: str
    what: str


class ConfigChange(NamedTuple):
    """Everything that differs."""

    settings: tuple[Setting, ...] = ()
    added: tuple[FeedConfig, ...] = ()
    removed: tuple[FeedConfig, ...] = ()
    feeds: tuple[FeedSetting, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether the two configurations say the same."""
        return not any(self)

    @property
    def refusals(self) -> list[str]:
        """One line for each key that cannot change while the recorder runs."""
        return [
            f"{key} cannot change while it records ({FIXED[key]}): {old} -> {new}"
            for key, old, new in self.settings
            if key in FIXED
        ]

    @property
    def lines(self) -> list[str]:
        """Everything that differs, one line each."""
        return [
            *(f"{setting.key}: {setting.old} -> {setting.new}" for setting in self.settings),
            *(f"feed {feed.name}: added ({_summary(feed)})" for feed in self.added),
            *(f"feed {feed.name}: removed" for feed in self.removed),
            *(f"feed {name}: {key}: {what}" for name, key, what in self.feeds),
        ]

    def keys(self, feed: str | None = None) -> set[str]:
        """The keys that differ; those of feeds begin with `feed.`, and `feed.name` stands for one added or removed.

        With `feed`, of the keys of feeds only those of this one.
        """
        of_feeds = {f"feed.{key}" for name, key, _ in self.feeds if feed in {None, name}}
        lists = {"feed.name"} if feed is None and (self.added or self.removed) else set()
        return {setting.key for setting in self.settings} | of_feeds | lists


def difference(old: Config, new: Config) -> ConfigChange:
    """What differs between the two configurations. A feed is the same one if its name is."""
    before, after = ({feed.name: feed for feed in config.feed} for config in (old, new))
    return ConfigChange(
        settings=tuple(_settings(old, new)),
        added=tuple(feed for name, feed in after.items() if name not in before),
        removed=tuple(feed for name, feed in before.items() if name not in after),
        feeds=tuple(
            FeedSetting(name, key, _how(key, value, getattr(after[name], key)))
            for name, feed in before.items()
            if name in after
            for key, value in asdict(feed).items()
            if value != getattr(after[name], key)
        ),
    )


def _settings(old: Section, new: Section, prefix: str = "") -> Iterator[Setting]:
    for name, value in asdict(old).items():
        key, other = prefix + name, getattr(new, name)
        if isinstance(value, Section):
            yield from _settings(value, other, f"{key}.")
        elif value != other and key != "feed":
            yield Setting(key, _shown(value), _shown(other))


def _how(key: str, old: Any, new: Any) -> str:
    if key not in _LISTS or set(old) == set(new):
        return f"{_shown(old)} -> {_shown(new)}"
    joined, left = (
        f"{sign} {_named(of)}" if of else "" for sign, of in (("+", _less(new, old)), ("-", _less(old, new)))
    )
    return "; ".join(filter(None, (joined, left)))


def _less(these: tuple[str, ...], those: tuple[str, ...]) -> list[str]:
    known = set(those)
    return [each for each in these if each not in known]


def _named(entries: list[str] | tuple[str, ...]) -> str:
    more = f" and {len(entries) - _NAMED} more" if len(entries) > _NAMED else ""
    return ", ".join(entries[:_NAMED]) + more


def _summary(feed: FeedConfig) -> str:
    return f"{feed.exchange}; {_named(feed.symbols)}; {_named(feed.data_types)}"


def _shown(value: Any) -> str:
    return repr(value) if isinstance(value, Secret) else display(str(value) if not _is_plain(value) else value)


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | bool | int | float | tuple)
