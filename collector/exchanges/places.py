"""Places: where a value stands in a message, written as text, and the msgspec struct that reads exactly those places.

    "data.u"            the key `u` of the object under the key `data`
    "1.0"               the first element of the second element: a node whose keys are numbers is an array
    "data.0!.bids"      `bids` of the only element: an array with more is no such message
    "bbo.0?.px?"        `px` of the first element, which may be null
    "cts|ts"            `cts` if it is there, else `ts`
    "data.markPrice?"   may be absent, or null: then the value is None; any other place must be there
    ("T", from_ms)      what the function makes of the value; a function never gets None
    ("S", SIDES.get)    None for an object or a list too, which cannot be looked up; and no such value equals a text

What a message has beside its places is skipped unread.
"""

import re
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, Final, NamedTuple

from msgspec import defstruct, field

Place = str | tuple[str, Callable[[Any], Any]]

_OPTIONAL: Final = "?"
_ONLY: Final = "!"


class Places(NamedTuple):
    """A struct that has these places, and how each value is taken from it."""

    struct: Any
    getters: Mapping[str, Callable[[Any], Any]]
    """By the name of the place."""
    attributes: Mapping[str, list[str]]
    """The attributes where the value may stand, each with its nodes joined by points."""

    def get(self, name: str) -> Callable[[Any], Any]:
        """Takes that value from a message; None if there is no such place."""
        return self.getters.get(name, _nothing)


def present(_: object) -> bool:
    """For a place whose value says nothing but that it is there."""
    return True


def places(named: Mapping[str, Place], types: Mapping[str, Any] | None = None) -> Places:
    """The struct that reads these places; a value has any type, or the one that `types` gives to its name."""
    root = _Node()
    getters, attributes = {}, {}
    for name, place in named.items():
        text, convert = (place, None) if isinstance(place, str) else place
        is_optional = text.endswith(_OPTIONAL)
        paths = text.removesuffix(_OPTIONAL).split("|")
        kind = (types or {}).get(name, Any)
        found = [root.add(path.split("."), kind, is_optional=is_optional or len(paths) > 1) for path in paths]
        getters[name], attributes[name] = _getter(found, _for_any_value(convert)), found
    return Places(root.struct(), getters, attributes)


class _Node:
    """An object or an array on the way to some values."""

    def __init__(self) -> None:
        self._children: dict[str, _Node] = {}
        self._values: dict[str, tuple[Any, bool]] = {}
        self._is_closed = False
        self._may_be_null: set[str] = set()

    def add(self, path: list[str], kind: Any, *, is_optional: bool) -> str:
        """Add a value; returns its attribute."""
        key, *rest = path
        if key.endswith(_ONLY):
            key, self._is_closed = key.removesuffix(_ONLY), True
        if key.endswith(_OPTIONAL):
            key = key.removesuffix(_OPTIONAL)
            self._may_be_null.add(key)
        if rest:
            child = self._children.setdefault(key, _Node())
            return f"{_attribute(key)}.{child.add(rest, kind, is_optional=is_optional)}"
        known = self._values.get(key)
        self._values[key] = (kind, is_optional) if known is None else (known[0], known[1] and is_optional)
        return _attribute(key)

    @property
    def is_optional(self) -> bool:
        return all(optional for _, optional in self._values.values()) and all(
            child.is_optional for child in self._children.values()
        )

    def struct(self) -> Any:
        """The struct of this node."""
        keys = [*self._values, *self._children]
        kinds = {key: child.struct() for key, child in self._children.items()}
        nullable = {_attribute(key): kinds[key] for key in self._may_be_null}
        namespace = {"__post_init__": _filling(nullable)} if nullable else {}
        if not all(key.isdigit() for key in keys):
            rename = {_attribute(key): key for key in keys}
            named = [self._field(key, kinds) for key in keys]
            return defstruct("Message", named, rename=rename, namespace=namespace, gc=False, kw_only=True)
        positions = [str(index) for index in range(max(map(int, keys)) + 1)]
        fields = [self._field(key, kinds) if key in keys else (_attribute(key), Any) for key in positions]
        return defstruct(
            "Message", fields, array_like=True, namespace=namespace, gc=False, forbid_unknown_fields=self._is_closed
        )

    def _field(self, key: str, kinds: Mapping[str, Any]) -> Any:
        name = _attribute(key)
        if key in self._values:
            kind, is_optional = self._values[key]
            return (name, Any if kind is Any else kind | None, None) if is_optional else (name, kind)
        kind = kinds[key]
        if not self._children[key].is_optional:
            return name, kind
        return name, kind | None if key in self._may_be_null else kind, field(default_factory=kind)


def _filling(kinds: Mapping[str, Any]) -> Callable[[Any], None]:
    """Puts an object without values in the place of a null."""

    def fill(message: Any) -> None:
        for name, kind in kinds.items():
            if getattr(message, name) is None:
                setattr(message, name, kind())

    return fill


def _for_any_value(convert: Callable[[Any], Any] | None) -> Callable[[Any], Any] | None:
    """A method of a dict or a text as a function that takes whatever JSON may hold."""
    owner = getattr(convert, "__self__", None)
    if convert is None or not isinstance(owner, dict | str):
        return convert
    kinds = str if isinstance(owner, str) else str | int | float
    return lambda value: convert(value) if isinstance(value, kinds) else None


def _nothing(_: Any) -> None:
    return None


def _attribute(key: str) -> str:
    return f"at_{re.sub(r'[^0-9A-Za-z]', '_', key)}"


def _getter(attributes: list[str], convert: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    if len(attributes) == 1:
        get = attrgetter(attributes[0])
        if convert is None:
            return get

        def converted(message: Any) -> Any:
            value = get(message)
            return None if value is None else convert(value)

        return converted
    getters = [attrgetter(attribute) for attribute in attributes]

    def first(message: Any) -> Any:
        for get in getters:
            value = get(message)
            if value is not None:
                return value if convert is None else convert(value)
        return None

    return first
