"""Checks values against the types and rules of the sections, with pydantic: every error is found, not only the first."""

from collections.abc import Mapping
from functools import cache, partial
from typing import Annotated, Any, TypeVar, get_args, get_origin

from msgspec.structs import fields
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, create_model

from collector.config.model import Section
from collector.config.rules import After, Allowed, Before
from collector.config.values import Secret

S = TypeVar("S", bound=Section)


class Table(BaseModel):
    """The pydantic model of a section. Types are strict: "yes" and 1 are not booleans, "5" is not a number."""

    model_config = ConfigDict(
        extra="forbid", strict=True, validate_default=True, hide_input_in_errors=True, allow_inf_nan=False
    )


def validated(section: type[S], values: Mapping[str, Any]) -> S:
    """The section of these values and, for the others, its defaults. Raises pydantic.ValidationError with every error."""
    return _made(section, table(section).model_validate(values))


@cache
def table(section: type[Section]) -> type[Table]:
    """The pydantic model of that section."""
    typed: dict[str, Any] = {
        field.name: (pydantic_type(field.type), _plain(field.default)) for field in fields(section)
    }
    return create_model(section.__name__, __base__=Table, **typed)


def pydantic_type(kind: Any) -> Any:
    """The same type with pydantic's metadata in place of our rules."""
    if isinstance(kind, type) and issubclass(kind, Section):
        model: Any = table(kind)
        return Annotated[model, AfterValidator(partial(_made, kind))]
    if kind is Secret:
        return Annotated[SecretStr, AfterValidator(lambda secret: Secret(secret.get_secret_value()))]
    if get_origin(kind) is tuple:
        item: Any = pydantic_type(get_args(kind)[0])
        return Annotated[tuple[item, ...], Field(strict=False)]  # TOML and JSON have lists
    if get_origin(kind) is Annotated:
        inner, *rules = get_args(kind)
        return Annotated[(pydantic_type(inner), *map(_translated, rules))]
    return kind


def _translated(rule: Allowed | Before | After) -> Any:
    match rule:
        case Before(read):
            return BeforeValidator(read)
        case After(check):
            return AfterValidator(check)
        case Allowed(says, gt, ge, le):
            return Field(description=says, gt=gt, ge=ge, le=le)


def _made(section: type[S], valid: Table) -> S:
    return section(**dict(valid))


def _plain(default: Any) -> Any:
    """A default as the pydantic type takes it; a section is one in which nothing is written."""
    if isinstance(default, tuple):
        return tuple(map(_plain, default))
    if isinstance(default, Secret):
        return SecretStr(default.value)
    return {} if isinstance(default, Section) else default
