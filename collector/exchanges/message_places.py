"""The places of a message (see `places`): its symbol, ids and time, and whether it is a snapshot."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Self

from msgspec import Meta
from msgspec.json import Decoder

from collector.domain.records import INT64_MAX
from collector.domain.times import NO_TIME_US
from collector.exchanges.places import Place, places
from collector.exchanges.routes import name_getter, route_places

Id = Annotated[int, Meta(ge=0, le=INT64_MAX)]
"""An id that fits the archive."""

MessageReader = Callable[[bytes, bytes], tuple[str, tuple[Any, ...]]]
"""Reads a text; returns the symbol and what follows the stream in an envelope with this payload."""


class MessagePlaces:
    """The places of a message; `more` are further places, `types` the types of some."""

    def __init__(
        self,
        named: Mapping[str, Place],
        more: Mapping[str, Place] | None = None,
        types: Mapping[str, Any] | None = None,
    ) -> None:
        own = {"symbol": str, "id": Id, "first_id": Id}
        plain = {name: kind for name, kind in own.items() if isinstance(named.get(name), str)}
        self.found = places({**named, **(more or {})}, {**plain, **(types or {})})
        self.decode = Decoder(self.found.struct, strict=False).decode
        self.symbol, self.id, self.first_id, self.sent, self.is_snapshot = map(
            self.found.get, ("symbol", "id", "first_id", "sent", "is_snapshot")
        )
        sent = named.get("sent", "?")
        where = sent if isinstance(sent, str) else sent[0]
        self.no_time = None if where[-1].endswith("?") else NO_TIME_US
        self.name: Callable[[Any], str] = _no_name

    @classmethod
    def on(
        cls,
        where: Sequence[str],
        named: Mapping[str, Place],
        more: Mapping[str, Place] | None = None,
        types: Mapping[str, Any] | None = None,
    ) -> Self:
        """With the places of a route, whose names `name` takes from a message."""
        its = route_places(where)
        made = cls(named, {**(more or {}), **its}, {**dict.fromkeys(its, str), **(types or {})})
        made.name = name_getter(made.found)
        return made

    def rest(self, message: Any, payload: bytes) -> tuple[Any, ...]:
        """What follows the stream in an envelope."""
        sent_us = self.sent(message)
        return (
            self.id(message),
            self.first_id(message),
            self.no_time if sent_us is None else sent_us,
            payload,
            bool(self.is_snapshot(message)),
        )

    def reader(self) -> MessageReader:
        """Reads a text."""
        decode, get_symbol, get_rest = self.decode, self.symbol, self.rest

        def read(text: bytes, payload: bytes) -> tuple[str, tuple[Any, ...]]:
            message = decode(text)
            return get_symbol(message), get_rest(message, payload)

        return read


def _no_name(_: Any) -> str:
    return ""
