"""Names of the keys: dotted for people, upper-case for environment variables."""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Final, Literal, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from collector.config.model import Config, FeedConfig
from collector.config.validation import Table, table

Place = tuple[str | int, ...]
"""The path of a value in the configuration: ("feed", 1, "symbols")."""

ENV_PREFIX: Final = "COLLECTOR_"

SHORT_NAMES: Final = {
    "HOME_SERVER_NAME": "host_name",
    "MARKET_SYMBOL": "feed.symbols",
    "CHANNEL_BUFFER_SIZE": "channel.capacity",
    "BATCH_INTERVAL_SECS": "writer.batch_interval_secs",
    "MAX_BATCH_SIZE": "writer.max_batch_size",
    "ARCHIVE_INTERVAL_SECS": "segment.interval_secs",
    "BUCKET_NAME": "archive.url",
    "AWS_REGION": "archive.region",
}
"""Environment variables without the prefix, and the key each sets."""


SECTIONS: Final = tuple(
    name
    for name, field in table(Config).model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Table)
)
"""The tables of the file."""


def _leaves(model: type[Table], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Table):
            yield from _leaves(field.annotation, f"{prefix}{name}.")
        else:
            yield prefix + name, field


SETTINGS: Final = dict(_leaves(table(Config)))
"""Every key outside the feeds; `feed` counts as one."""

KEYS: Final = SETTINGS | dict(_leaves(table(FeedConfig), "feed."))
"""Every key in dotted form, without a feed's number."""

SECRETS: Final = frozenset(key for key, field in SETTINGS.items() if field.annotation is SecretStr)
"""Keys whose values are never shown."""

VARIABLES: Final = {ENV_PREFIX + key.upper().replace(".", "__"): key for key in SETTINGS}
"""Every prefixed environment variable, and the key it sets."""


def dotted(place: Place) -> str:
    """Write a place in dotted form: `feed[1].symbols`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")


def key_of(place: Place) -> str:
    """Name the key that a place is in: a place without its numbers."""
    return ".".join(part for part in place if isinstance(part, str))


def allowed(place: Place) -> str:
    """Describe what is allowed at a place; completes "must be …"."""
    field = KEYS[key_of(place)]
    if isinstance(place[-1], int):
        return FieldInfo.from_annotation(get_args(field.annotation)[0]).description or "a table"
    if get_origin(field.annotation) is Literal:
        return f"one of {', '.join(get_args(field.annotation))}"
    return field.description or "true or false"


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Suggest the most similar name: "; did you mean …?", or nothing."""
    found = get_close_matches(name, list(names), n=1)
    return f"; did you mean {found[0]}?" if found else ""
