"""Markets whose frames name their stream by an id that only the answer to the subscription explains, on each connection anew."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec
from msgspec.json import Decoder, encode

from collector.domain.errors import UndecodableError
from collector.domain.records import Envelope, StreamKey
from collector.exchanges.adapter import ControlKind, Conversation, Decode, Speakers, Subscription
from collector.exchanges.careful import require_text
from collector.exchanges.market import Market
from collector.exchanges.reading import Keys, Read, shown
from collector.exchanges.typed_rows import UNREADABLE

NO_SYMBOL: Final[Any] = None
"""The symbol under which a channel's reader finds the streams of a frame that names none."""

_PLACEHOLDER: Final = "{symbol}"
_READ_STATE: Final = Decoder(dict[int, str]).decode


class Explained(NamedTuple):
    """What an answer says of a channel id."""

    channel_id: int
    topic: str
    """What was subscribed; empty if the id stands for nothing any more."""


class ChannelIdMarket(Market):
    """A subclass also says what an answer explains. `names` finds the id at the beginning of a frame that has messages.

    Frames of a topic without a symbol name symbols themselves, and their reader finds each stream under its own.
    """

    @abstractmethod
    def explained(self, frame: bytes) -> Explained | None:
        """What a control frame says of a channel id; None if it says nothing of any."""

    def speakers(self, subscription: Subscription) -> Speakers:
        """A frame counts for the streams of its id, once an answer among the frames explained it."""
        streams = self._streams(subscription)
        known: dict[bytes, Sequence[StreamKey]] = {}
        find = self.names.match

        def speaking(frames: Sequence[bytes]) -> set[StreamKey | None]:
            keys: set[StreamKey | None] = set()
            for frame in frames:
                found = find(frame)
                if found is None and (said := self.explained(frame)) is not None:
                    known[str(said.channel_id).encode()] = streams.get(said.topic, ())
                keys.update((found and known.get(found[1])) or (None,))
            return keys

        return speaking

    def decoder(self, subscription: Subscription, state: bytes = b"") -> Decode:
        """Each connection needs one of its own."""
        return _Connection(self, self._readers(subscription), state)

    def _streams(self, subscription: Subscription) -> dict[str, list[StreamKey]]:
        """The subscribed streams by topic."""
        found: dict[str, list[StreamKey]] = {}
        for key in self._keys(subscription).values():
            if key.data_type in self._channel_by_type:
                found.setdefault(self._topic(key), []).append(key)
        return found

    def _readers(self, subscription: Subscription) -> dict[str, tuple[Read, Keys]]:
        """What reads the frames of each topic."""
        found = {}
        for topic, streams in self._streams(subscription).items():
            channel = self._channel_by_type[streams[0].data_type]
            names_symbols = _PLACEHOLDER not in channel.topic
            keys = {(key.data_type, key.symbol if names_symbols else NO_SYMBOL): key for key in streams}
            found[topic] = channel.read, Keys(keys)
        return found


class _Connection(Conversation):
    """What the ids of one connection stand for."""

    def __init__(self, market: ChannelIdMarket, readers: dict[str, tuple[Read, Keys]], state: bytes) -> None:
        self._market, self._readers = market, readers
        self._topics: dict[int, str] = _READ_STATE(state) if state else {}

    def __call__(self, frame: bytes) -> list[Envelope]:
        """See `Decode`. A frame of a topic that nobody subscribed is nothing."""
        require_text(frame)
        named = self._market.names.match(frame)
        if named is None:
            return self._learn(frame)
        topic = self._topics.get(int(named[1]))
        if topic is None:
            raise UndecodableError("channel id that no answer explained")
        try:
            return self._read(topic, frame)
        except msgspec.ValidationError as error:
            raise UndecodableError(f"not a message of {shown(topic)}: {shown(str(error))}") from error
        except UNREADABLE as error:
            raise UndecodableError("malformed JSON") from error

    def state(self) -> bytes:
        """The topic of each id."""
        return encode(dict(sorted(self._topics.items())))

    def _read(self, topic: str, frame: bytes) -> list[Envelope]:
        if topic not in self._readers:
            return []
        read, keys = self._readers[topic]
        return read(frame, keys)

    def _learn(self, frame: bytes) -> list[Envelope]:
        control = self._market.control(frame)
        if control is None or control.kind is ControlKind.NOISE:
            raise UndecodableError("unknown message")
        said = self._market.explained(frame)
        if said is not None and said.topic:
            self._topics[said.channel_id] = said.topic
        elif said is not None:
            self._topics.pop(said.channel_id, None)
        return []
