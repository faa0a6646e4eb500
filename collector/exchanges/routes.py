"""The streams of a frame, judged by its beginning, and decoders that read the frames of each stream alike.

A beginning is only a guess. The reader of a stream verifies it by the places where a frame names its stream, in the same
pass that reads the message; where it is not certain the frame is read with care, so that the result is always the same.
"""

import re
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter, itemgetter
from typing import Any, Final, Generic, NamedTuple, TypeVar

from msgspec.json import Decoder

from collector.domain.records import Envelope, StreamKey
from collector.exchanges.adapter import Decode
from collector.exchanges.places import Place, Places, places
from collector.exchanges.together import Decoded, DecodeTogether, MessageColumns, gathered, outcomes
from collector.exchanges.typed_rows import UNREADABLE

MIN_ALIKE: Final = 4
"""Fewer frames of a stream take less time one by one."""

Known = TypeVar("Known")


class Route(NamedTuple):
    """Where frames name their streams, what they name, and the subscribed streams of that name."""

    places: tuple[str, ...]
    """See `places`; what stands there is one text if joined."""
    name: str
    streams: tuple[StreamKey, ...]


def route_places(places_of_route: Sequence[str]) -> dict[str, Place]:
    """The places of a route, by names of their own."""
    return {f"route {number}": place for number, place in enumerate(places_of_route)}


def name_getter(found: Places) -> Callable[[Any], str]:
    """Takes from a message what it says of its route."""
    attributes = [its[0] for name, its in found.attributes.items() if name.startswith("route ")]
    names: Callable[[Any], Any] = attrgetter(*attributes)
    return names if len(attributes) == 1 else lambda message: "".join(names(message))


def name_reader(places_of_route: Sequence[str]) -> Callable[[bytes], str]:
    """Reads from a frame what it says of its route. Raises one of UNREADABLE."""
    its = route_places(places_of_route)
    found = places(its, dict.fromkeys(its, str))
    decode, name_of = Decoder(found.struct).decode, name_getter(found)
    return lambda frame: name_of(decode(frame))


ReadOne = Callable[[bytes, tuple[Any, ...]], list[Envelope] | None]
"""The messages of a frame that is UTF-8; None if it is not certainly of the route. May raise one of UNREADABLE."""

ReadMany = Callable[[list[int], list[bytes], tuple[Any, ...]], MessageColumns | None]
"""The messages of frames with these indexes; None unless each is certainly one message of the route with an id."""


@dataclass(frozen=True, slots=True, eq=False)
class RouteReader:
    """Reads frames that seem to be of the streams of one route. All routes of a channel share its functions."""

    one: ReadOne
    many: ReadMany | None
    route: tuple[Any, ...]
    """What is given to both: what a frame must name, and the streams of its messages."""


class ChannelReader(ABC):
    """A `reading.Read` that can also make the reader of a route."""

    @abstractmethod
    def __call__(self, frame: bytes, keys: Mapping[tuple[str, str], StreamKey]) -> list[Envelope]:
        """See `reading.Read`."""

    @abstractmethod
    def on(self, route: Route) -> RouteReader | None:
        """The reader of a route; None if its frames must be read with care."""


class Beginnings(Generic[Known]):
    """Finds what a frame's beginning names."""

    def __init__(self, names: re.Pattern[bytes], beginning: bytes, known: Mapping[bytes, Known]) -> None:
        """`names` finds a name anywhere in a frame; it stands behind `beginning`, up to a quote, in most frames."""
        self._search, self._known = names.search, known
        self.start = len(beginning)
        """A name begins here in most frames, and ends before the next quote."""
        self.usual: Final = {b'%s%s"' % (beginning, name): value for name, value in known.items()}
        """What is known by the beginning of most frames, up to that quote."""
        self._longest = max(map(len, self.usual), default=0)

    def find(self, frame: bytes) -> Known | None:
        """What a frame names, if it is known."""
        match = self._search(frame)
        return None if match is None else self._known.get(_joined(match.groups()))

    def one(self, frame: bytes) -> Known | None:
        """What a frame names, in less time where it stands where it does in most frames."""
        return self.usual.get(frame[: frame.find(b'"', self.start) + 1]) or self.find(frame)

    def all(self, frames: Sequence[bytes]) -> set[Known | None]:
        """What some frames name.

        What is behind a name hardly differs from frame to frame, so a read of many frames has few different heads.
        """
        usual, start, longest = self.usual, self.start, self._longest
        heads = {frame[:longest] for frame in frames} if start else ()
        found = {usual.get(head[: head.find(b'"', start) + 1]) for head in heads}
        return found if found and None not in found else self._searched(frames)

    def _searched(self, frames: Sequence[bytes]) -> set[Known | None]:
        search, known = self._search, self._known
        found = {match.groups() if (match := search(frame)) else None for frame in frames}
        return {None if groups is None else known.get(_joined(groups)) for groups in found}


class RoutedDecode(DecodeTogether):
    """Reads frames with the readers of their routes, and what they leave with a careful decoder."""

    def __init__(self, beginnings: Beginnings[RouteReader], careful: Decode) -> None:
        self._usual, self._start, self._find = beginnings.usual.get, beginnings.start, beginnings.find
        self._careful = careful

    def __call__(self, frame: bytes) -> list[Envelope]:
        reader = self._usual(frame[: frame.find(b'"', self._start) + 1]) or self._find(frame)
        if reader is None or not (frame.isascii() or is_utf8(frame)):
            return self._careful(frame)
        try:
            found = reader.one(frame, reader.route)
        except UNREADABLE:
            found = None
        return self._careful(frame) if found is None else found

    def together(self, frames: Sequence[bytes]) -> Decoded:
        columns: list[MessageColumns] = []
        alike: list[int] = []
        apart: list[int] = []
        for reader, indexes in self._by_reader(frames).items():
            if reader is None or len(indexes) < MIN_ALIKE:
                apart += indexes
                continue
            column = _column(reader, indexes, [frames[index] for index in indexes])
            if column is None:
                alike += indexes
            else:
                columns.append(column)
        if not alike and not apart:
            return Decoded(columns, [])
        rest = gathered(outcomes(self, frames, sorted(alike)), {column.key for column in columns})
        others = sorted(rest.others + outcomes(self, frames, apart), key=itemgetter(0))
        return Decoded(columns + rest.columns, others)

    def _by_reader(self, frames: Sequence[bytes]) -> dict[RouteReader | None, list[int]]:
        """The indexes of frames, by the reader of what their beginning names."""
        by_head: defaultdict[bytes, list[int]] = defaultdict(list)
        start = self._start
        for index, frame in enumerate(frames):
            by_head[frame[: frame.find(b'"', start) + 1]].append(index)
        found: defaultdict[RouteReader | None, list[int]] = defaultdict(list)
        odd: list[int] = []
        for head, indexes in by_head.items():
            reader = self._usual(head)
            if reader is None:
                odd += indexes
            else:
                found[reader] = indexes
        for index in sorted(odd):
            found[self._find(frames[index])].append(index)
        for indexes in found.values() if odd else ():
            indexes.sort()
        return found


def is_utf8(text: bytes) -> bool:
    """Whether it is: msgspec checks only the text that it reads."""
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _column(reader: RouteReader, indexes: list[int], frames: list[bytes]) -> MessageColumns | None:
    if reader.many is None or not (all(map(bytes.isascii, frames)) or all(map(is_utf8, frames))):
        return None
    try:
        return reader.many(indexes, frames, reader.route)
    except Exception:  # noqa: BLE001 -- found out frame by frame
        return None


def _joined(names: Iterable[bytes | None]) -> bytes:
    return b"".join(filter(None, names))
