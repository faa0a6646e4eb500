"""Frames decoded together: the messages of each stream column by column.

An adapter's `Decode` reads one frame. A decoder that is a `DecodeTogether` reads many at once in less time, with the same
result; with any other, frames are decoded one after another.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from itertools import repeat
from typing import NamedTuple

from collector.domain.errors import UndecodableError
from collector.domain.records import Envelope, StreamKey
from collector.exchanges.adapter import Conversation, Decode


class MessageColumns(NamedTuple):
    """Messages of one stream with an id, each the only one of its frame, in the order of their frames."""

    key: StreamKey
    frames: list[int]
    """Index of each message's frame."""
    ids: list[int]
    first_ids: list[int]
    """The first id that each covers; the same list as `ids` if each covers one."""
    exchange_us: list[int | None]
    payloads: list[bytes]

    def envelopes(self) -> list[Envelope]:
        """The messages, each by itself."""
        first_ids = repeat(None, len(self.ids)) if self.first_ids is self.ids else self.first_ids
        columns = zip(self.ids, first_ids, self.exchange_us, self.payloads, strict=True)
        return [Envelope(self.key, *message) for message in columns]


Outcome = list[Envelope] | UndecodableError
"""What `Decode` returned or raised."""


class Decoded(NamedTuple):
    """What a sequence of frames holds. No stream has two columns."""

    columns: list[MessageColumns]
    others: list[tuple[int, Outcome]]
    """Index and outcome of each frame that is in no column. Messages of a stream may be here as well as in a column."""


class DecodeTogether(ABC):
    """A `Decode` that also reads many frames at once."""

    @abstractmethod
    def __call__(self, frame: bytes) -> list[Envelope]:
        """See `Decode`."""

    @abstractmethod
    def together(self, frames: Sequence[bytes]) -> Decoded:
        """Read frames; each gives what it would give by itself."""


def decode_together(decode: Decode, frames: Sequence[bytes]) -> Decoded:
    """Read frames, each with the outcome that it has by itself."""
    if isinstance(decode, DecodeTogether):
        return decode.together(frames)
    return gathered(outcomes(decode, frames, range(len(frames))), frozenset())


def gathered(found_by_index: Iterable[tuple[int, Outcome]], apart: AbstractSet[StreamKey]) -> Decoded:
    """The outcomes of frames, those with one message in columns if its stream is not among `apart`."""
    columns: dict[StreamKey, MessageColumns] = {}
    others: list[tuple[int, Outcome]] = []
    for index, found in found_by_index:
        if isinstance(found, UndecodableError) or len(found) != 1:
            others.append((index, found))
            continue
        key, message_id, first_id, exchange_us, payload, is_snapshot = found[0]
        if message_id is None or is_snapshot or not payload or key in apart:
            others.append((index, found))
            continue
        column = columns.get(key) or columns.setdefault(key, MessageColumns(key, [], [], [], [], []))
        column.frames.append(index)
        column.ids.append(message_id)
        column.first_ids.append(message_id if first_id is None else first_id)
        column.exchange_us.append(exchange_us)
        column.payloads.append(payload)
    return Decoded(list(columns.values()), others)


def outcomes(decode: Decode, frames: Sequence[bytes], indexes: Sequence[int]) -> list[tuple[int, Outcome]]:
    """What each of these frames gives by itself. A conversation hears each of them once."""
    if isinstance(decode, Conversation):
        return [(index, outcome(decode, frames[index])) for index in indexes]
    try:
        return [(index, decode(frames[index])) for index in indexes]
    except Exception:  # noqa: BLE001 -- found out below, frame by frame
        return [(index, outcome(decode, frames[index])) for index in indexes]


def outcome(decode: Decode, frame: bytes) -> Outcome:
    """What a frame gives. A bug in an adapter must not stop the recording: then its frame is undecodable."""
    try:
        return decode(frame)
    except UndecodableError as error:
        return error
    except Exception as error:  # noqa: BLE001 -- returned
        return UndecodableError(f"{type(error).__name__} in the adapter")
