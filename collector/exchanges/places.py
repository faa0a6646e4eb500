"""Places: where a value stands in a message, written as text, and the msgspec struct that reads exactly those places.

    "data.u"            the key `u` of the object under the key `data`
    "1.0"               the first element of the second element: a node whose keys are numbers is an array
    "data.0!.bids"      `bids` of the only element: an array with more is no such message
    "bbo.0?.px?"        `px` of the first element, which may be null
    "cts|ts"            `cts` if it is there, else `ts`
    "data.markPrice?"   may be absent, or null: then the value is None; any other place must be there
    ("T", from_ms)      what the function makes of the value; a function never gets None
    ("S", SIDES.get)    None for an object or a list too, which cannot be looked up; and no such value equals a text
    (("a", "b"), both)  what the function makes of several values, of which all but the first may be None

What a message has beside its places is skipped unread.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import Any, Final, NamedTuple

from msgspec import defstruct, field

Place = str | tuple[str, Callable[[Any], Any]] | tuple[tuple[str, ...], Callable[..., Any]]

_OPTIONAL: Final = "?"
_ONLY: Final = "!"
_REQUIRED: Final = 2
"""The parts of a struct's field without a default; what follows a field with one needs one too."""
_NOTHING: Final = "nothing"
"""An attribute of every struct that is always None."""


class Places(NamedTuple):
    """A struct that has these places, and how each value is taken from it."""

    struct: Any
    getters: Mapping[str, Callable[[Any], Any]]
    """By the name of the place."""
    attributes: Mapping[str, list[str]]
    """The attributes where the value may stand, each with its nodes joined by points."""
    converters: Mapping[str, Callable[[Any], Any]]
    """What makes the value of what stands at its attribute; only of places that are one attribute and a function. That of
    a look-up raises TypeError for an object or a list."""

    def get(self, name: str) -> Callable[[Any], Any]:
        """Takes that value from a message; None if there is no such place."""
        return self.getters.get(name, _GET_NOTHING)

    def parts(self, name: str) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
        """What takes from a message what stands there, and what makes the value of it if it is not None."""
        convert = self.converters.get(name)
        return (self.get(name), _as_it_is) if convert is None else (attrgetter(self.attributes[name][0]), convert)

    def both(self, first: str, second: str) -> Callable[[Any], Any]:
        """Takes two values from a message at once."""
        get_first, get_second = self.get(first), self.get(second)
        if isinstance(get_first, attrgetter) and isinstance(get_second, attrgetter):
            return attrgetter(*(self.attributes.get(name, [_NOTHING])[0] for name in (first, second)))
        return lambda message: (get_first(message), get_second(message))

    def column(self, name: str, messages: Iterable[Any]) -> list[Any]:
        """That value of each of some messages: takes less time than one by one."""
        convert = self.converters.get(name)
        if convert is None:
            return list(map(self.get(name), messages))
        values = map(attrgetter(self.attributes[name][0]), messages)
        return [None if value is None else convert(value) for value in values]


def may_be_absent(place: Place) -> bool:
    """Whether a message without this value, or one of these values, is still such a message."""
    where = place if isinstance(place, str) else place[0]
    return any(text.endswith(_OPTIONAL) or "|" in text for text in ((where,) if isinstance(where, str) else where))


def may_be_null(place: Place) -> bool:
    """Whether none of the places that may have this value, or one of these values, needs to have it."""
    where = place if isinstance(place, str) else place[0]
    return any(text.endswith(_OPTIONAL) for text in ((where,) if isinstance(where, str) else where))


def present(_: object) -> bool:
    """For a place whose value says nothing but that it is there."""
    return True


def places(named: Mapping[str, Place], types: Mapping[str, Any] | None = None) -> Places:
    """The struct that reads these places; a value has any type, or the one that `types` gives to its name."""
    root = _Node()
    getters: dict[str, Callable[[Any], Any]] = {}
    attributes: dict[str, list[str]] = {}
    converters: dict[str, Callable[[Any], Any]] = {}
    for name, place in named.items():
        where, convert = (place, None) if isinstance(place, str) else place
        kind = (types or {}).get(name, Any)
        found = [_add(root, text, kind) for text in ((where,) if isinstance(where, str) else where)]
        attributes[name] = [attribute for group in found for attribute in group]
        if isinstance(where, tuple):
            getters[name] = _of_several(found, convert)
        else:
            safe = _for_any_value(convert)
            getters[name] = _getter(found[0], safe)
            if convert is not None and safe is not None and len(found[0]) == 1:
                converters[name] = convert if isinstance(getattr(convert, "__self__", None), dict) else safe
    return Places(root.struct(), getters, attributes, converters)


def _add(root: "_Node", text: str, kind: Any) -> list[str]:
    """Add a value; returns the attributes where it may stand."""
    paths = text.removesuffix(_OPTIONAL).split("|")
    is_optional = text.endswith(_OPTIONAL) or len(paths) > 1
    return [root.add(path.split("."), kind, is_optional=is_optional) for path in paths]


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
        if known is not None:  # two names for one value: it is of the type that one of them asks for
            kind, is_optional = kind if known[0] is Any else known[0], known[1] and is_optional
        self._values[key] = (kind, is_optional)
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
        namespace = {_NOTHING: None} | ({"__post_init__": _filling(nullable)} if nullable else {})
        if not all(key.isdigit() for key in keys):
            rename = {_attribute(key): key for key in keys}
            named = [self._field(key, kinds) for key in keys]
            return defstruct("Message", named, rename=rename, namespace=namespace, gc=False, kw_only=True)
        positions = [str(index) for index in range(max(map(int, keys)) + 1)]
        fields: list[Any] = []
        for key in positions:
            may_be_last = bool(fields) and len(fields[-1]) > _REQUIRED
            skipped = (_attribute(key), Any, None) if may_be_last else (_attribute(key), Any)
            fields.append(self._field(key, kinds) if key in keys else skipped)
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


def _as_it_is(value: Any) -> Any:
    return value


_GET_NOTHING: Final = attrgetter(_NOTHING)


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
    get_first, *others = map(attrgetter, attributes)

    def first(message: Any) -> Any:
        value = get_first(message)
        for get in others:
            if value is not None:
                break
            value = get(message)
        return value if value is None or convert is None else convert(value)

    return first


def _all_of(groups: list[list[str]]) -> Callable[[Any], Any]:
    """Takes several values from a message."""
    if len(groups) > 1 and all(len(group) == 1 for group in groups):
        return attrgetter(*(group[0] for group in groups))
    getters = [_getter(group, None) for group in groups]
    return lambda message: [get(message) for get in getters]


def _of_several(groups: list[list[str]], convert: Any) -> Callable[[Any], Any]:
    get = _all_of(groups)

    def made(message: Any) -> Any:
        first, *others = get(message)
        return None if first is None else convert(first, *others)

    def made_of_two(message: Any) -> Any:
        first, second = get(message)
        return None if first is None else convert(first, second)

    return made_of_two if len(groups) == 2 else made  # noqa: PLR2004 -- the usual number, in less time
