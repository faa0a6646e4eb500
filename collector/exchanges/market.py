"""A market described by tables: makes an adapter of its channels, limits and readers of rows.

A subclass says how its messages are subscribed (`subscribe`), to which channel a frame belongs (`channel_of`), which
frames are control frames (`control`), and where a frame names its stream (`names`).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from math import ceil
from types import MappingProxyType
from typing import ClassVar, NamedTuple

import msgspec

from collector.domain.errors import ConfigError, UndecodableError
from collector.domain.records import INSTRUMENT, IdRule, StreamKey, TypedColumns
from collector.exchanges import typed_rows
from collector.exchanges.adapter import (
    BookCheck,
    ConnectionPlan,
    Control,
    ControlKind,
    Decode,
    Keepalive,
    Limits,
    Request,
    Speakers,
    Subscription,
)
from collector.exchanges.careful import Frames, careful, named_only
from collector.exchanges.reading import Keys, Read, shown
from collector.exchanges.rest_adapter import Get, RestAdapter
from collector.exchanges.routes import Beginnings, ChannelReader, Route, RoutedDecode, RouteReader
from collector.exchanges.typed_rows import RowReaders

Topics = Sequence[tuple[str, StreamKey]]
"""Topics, each with the first of its streams."""


class Channel(NamedTuple):
    """A channel of the exchange: what it is called, what it brings, and how its frames are read."""

    name: str
    """As `channel_of` finds it in a frame."""
    rules: Mapping[str, IdRule]
    """The data types it brings, each with its id rule."""
    read: Read
    topic: str = ""
    """What is subscribed for a symbol: `{symbol}` stands for it, as `wire_symbol` spells it."""
    path: str = ""
    """Appended to the URL; channels of different paths never share a connection."""
    other_path: str | None = None
    """Another path to try if a stream stays silent."""


class Market:
    """See `Adapter`."""

    exchange: ClassVar[str]
    ws_url: ClassVar[str]
    """Scheme and host."""
    other_hosts: ClassVar[tuple[str, ...]] = ()
    """The same of further servers with the same streams and paths, as the exchange documents them, for further lines."""
    path: ClassVar[str] = ""
    """Behind the host, before a channel's own path."""
    channels: ClassVar[tuple[Channel, ...]]
    unasked: ClassVar[frozenset[str]] = frozenset()
    """Further channels of the exchange, whose frames are known and not recorded."""
    rows: ClassVar[Mapping[str, tuple[RowReaders, ...]]]
    """By data type: readers of the payloads of frames and of REST responses, the usual one first; one or two."""
    limits: ClassVar[Limits]
    renews_books: ClassVar[bool] = True
    """Where connections open with books: whether one that is left and subscribed again on a connection does, too."""
    opening: ClassVar[tuple[Request, ...]] = ()
    """What each connection sends before it subscribes."""
    keepalive: ClassVar[Keepalive | None] = None
    question: ClassVar[Get | None] = None
    rest: ClassVar[RestAdapter | None] = None
    opens_with_books: ClassVar[bool] = False
    has_tickets: ClassVar[bool] = False
    checks: ClassVar[Mapping[str, BookCheck]] = MappingProxyType({})
    symbol_pattern: ClassVar[re.Pattern[str]]
    symbol_example: ClassVar[str]
    names: ClassVar[re.Pattern[bytes]]
    """Finds in the beginning of a frame what names its streams; its groups, joined, are what `spoken` returns."""
    beginning: ClassVar[bytes] = b""
    """What stands before that name in most frames, if that is always the same and a quote behind it; makes finding cheap."""
    route: ClassVar[tuple[str, ...]] = ()
    """The places (see `places`) whose texts, joined, are what `names` finds. With them a frame is read in one pass, and every
    message must be of a stream that its frame names; without them each frame is read twice.
    """

    def channel_of(self, frame: bytes) -> str:
        """The name of the channel that a frame belongs to; empty if it names none. Raises one of `typed_rows.UNREADABLE`."""
        raise NotImplementedError

    def control(self, frame: bytes) -> Control | None:
        """See `Adapter.control`."""
        raise NotImplementedError

    def ticket(self, frame: bytes) -> int | None:
        """None: the exchange numbers no frames."""
        return None

    def content(self, payload: bytes) -> bytes:
        """All of it."""
        return payload

    def inflate(self, frame: bytes) -> bytes:
        """The exchange sends no binary frames."""
        raise UndecodableError("binary frame")

    def subscribe(self, topics: Topics) -> list[Request]:
        """The requests that subscribe these topics."""
        return self.requests("subscribe", topics)

    def requests(self, verb: str, topics: Topics) -> list[Request]:
        """The requests that `subscribe` or `unsubscribe` these topics; not needed beside an own `subscribe` that brings no
        fresh book.
        """
        raise NotImplementedError

    def spoken(self, topic: str, key: StreamKey) -> bytes:
        """What `names` finds in a frame of this stream."""
        return topic.replace(" ", "").encode()

    def address(self, base: str, topics: Topics) -> tuple[str, Topics]:
        """The URL of a connection, and the topics that it does not name, which must be requested: all of them."""
        return base, topics

    def is_spelled(self, symbol: str) -> bool:
        """Whether the exchange's list may have this symbol."""
        return self.symbol_pattern.fullmatch(symbol) is not None

    def wire_symbol(self, symbol: str) -> str:
        """A symbol as topics spell it."""
        return symbol

    @property
    def hosts(self) -> Sequence[str]:
        """See `Adapter.hosts`."""
        return (self.ws_url, *self.other_hosts)

    @cached_property
    def id_rules(self) -> Mapping[str, IdRule]:
        """By data type."""
        rules = {data_type: rule for channel in self.channels for data_type, rule in channel.rules.items()}
        polled = dict.fromkeys(self.rest.polls, IdRule.NONE) if self.rest is not None else {}
        if self.rest is not None and self.rest.lists() and INSTRUMENT in self.rows:
            polled[INSTRUMENT] = IdRule.NONE
        return {**rules, **polled}

    def plan(self, subscription: Subscription, ws_url: str) -> list[ConnectionPlan]:
        """Streams are ordered by path, then symbol, then data type; polled data types need no connection."""
        self._check(subscription)
        return [self.connection(keys, ws_url) for keys in self.shares(subscription)]

    def shares(self, subscription: Subscription) -> list[tuple[StreamKey, ...]]:
        """See `plan`."""
        keys = [key for key in self._keys(subscription).values() if key.data_type in self._channel_by_type]
        paths = dict.fromkeys(channel.path for channel in self.channels)
        return [
            tuple(part)
            for path in paths
            for part in self._parts([key for key in keys if self._channel_by_type[key.data_type].path == path])
        ]

    def elsewhere(self, keys: Sequence[StreamKey], ws_url: str) -> list[ConnectionPlan]:
        """Connections on the channels' other path, where they have one."""
        paths = {key: self._channel_by_type[key.data_type].other_path for key in keys}
        return [
            self._connection(part, path, ws_url)
            for path in dict.fromkeys(path for path in paths.values() if path is not None)
            for part in self._parts([key for key in keys if paths[key] == path])
        ]

    def connection(self, keys: Sequence[StreamKey], ws_url: str) -> ConnectionPlan:
        """All keys have channels of the same path."""
        return self._connection(keys, self._channel_by_type[keys[0].data_type].path, ws_url)

    def dial(self, plan: ConnectionPlan, answer: bytes) -> ConnectionPlan:
        """Nothing is asked."""
        return plan

    def again(self, keys: Sequence[StreamKey]) -> tuple[Request, ...]:
        """Left and subscribed again, if that brings a snapshot."""
        if not (self.opens_with_books and self.renews_books):
            return ()
        topics = self.topics(keys)
        return (*self.requests("unsubscribe", topics), *self.requests("subscribe", topics))

    def apart(self, keys: Sequence[StreamKey]) -> tuple[Request, ...]:
        """Each topic by itself."""
        return tuple(request for topic in self.topics(keys) for request in self.subscribe([topic]))

    def speakers(self, subscription: Subscription) -> Speakers:
        """A frame counts for every stream of the topic that its beginning names."""
        beginnings = Beginnings(self.names, self.beginning, self._spoken(subscription))

        def speaking(frames: Sequence[bytes]) -> set[StreamKey | None]:
            if len(frames) == 1:  # as in most reads of a quiet feed
                return set(beginnings.one(frames[0]) or (None,))
            found = beginnings.all(frames)
            keys: set[StreamKey | None] = set().union(*filter(None, found))
            return keys | {None} if None in found else keys

        return speaking

    def decoder(self, subscription: Subscription, state: bytes = b"") -> Decode:
        """A frame is read by its channel."""
        if not self.route:
            return self._careful(subscription)
        readers: dict[bytes, RouteReader] = {}
        for name, streams in self._spoken(subscription).items():
            read = self._channel_by_type[streams[0].data_type].read
            reader = read.on(Route(self.route, name.decode(), streams)) if isinstance(read, ChannelReader) else None
            if reader is not None:
                readers[name] = reader
        return RoutedDecode(Beginnings(self.names, self.beginning, readers), self._careful(subscription))

    def _careful(self, subscription: Subscription) -> Decode:
        """Reads any frame, and says what is wrong with it."""
        keys = Keys({(key.data_type, key.symbol): key for key in self._keys(subscription).values()})
        wanted = {data_type for data_type, _ in keys}
        readers = {channel.name: channel.read for channel in self.channels if wanted & channel.rules.keys()}
        known = {channel.name for channel in self.channels} | self.unasked
        check = named_only(self.route, self._spoken(subscription)) if self.route else None
        return careful(Frames(self.channel_of, self.control, known, check), readers, keys)

    def _spoken(self, subscription: Subscription) -> dict[bytes, tuple[StreamKey, ...]]:
        """The subscribed streams by what frames name."""
        found: dict[bytes, list[StreamKey]] = {}
        for key in self._keys(subscription).values():
            if key.data_type in self._channel_by_type:
                found.setdefault(self.spoken(self._topic(key), key), []).append(key)
        return {name: tuple(keys) for name, keys in found.items()}

    def columns(self, data_type: str, payloads: Sequence[bytes]) -> TypedColumns:
        """See `Adapter.columns`; `side` is the taker's."""
        usual, *other = self.rows[data_type]
        return typed_rows.columns(usual, payloads, *other)

    def decimals(self, data_type: str, payload: bytes) -> Iterable[str]:
        """See `Adapter.decimals`."""
        usual, *other = self.rows[data_type]
        return typed_rows.decimals(usual, payload, *other)

    def topics(self, keys: Sequence[StreamKey]) -> list[tuple[str, StreamKey]]:
        """The topics of these streams, each once, with the first of its streams."""
        found: dict[str, StreamKey] = {}
        for key in keys:
            found.setdefault(self._topic(key), key)
        return list(found.items())

    @cached_property
    def _channel_by_type(self) -> dict[str, Channel]:
        """The channel that brings a data type: the first that names it."""
        return {data_type: channel for channel in reversed(self.channels) for data_type in channel.rules}

    def _topic(self, key: StreamKey) -> str:
        return self._channel_by_type[key.data_type].topic.format(symbol=self.wire_symbol(key.symbol))

    def _connection(self, keys: Sequence[StreamKey], path: str, ws_url: str) -> ConnectionPlan:
        base = f"{ws_url.rstrip('/') or self.ws_url}{self.path}{path}"
        url, to_request = self.address(base, self.topics(keys))
        requests = (*self.opening, *self.subscribe(to_request))
        return ConnectionPlan(url, requests, tuple(keys), self.keepalive, self.question)

    def _check(self, subscription: Subscription) -> None:
        """Refuse symbols that the exchange would acknowledge and never send, or send under another spelling."""
        problems = [
            f"symbols = {symbol!a}: is not spelled as in the exchange's list; must be like {self.symbol_example}"
            for symbol in subscription.symbols
            if not self.is_spelled(symbol)
        ]
        problems += [
            f"data_types = {data_type!a}: is not offered by {self.exchange}; must be one of {', '.join(self.id_rules)}"
            for data_type in subscription.data_types
            if data_type not in self.id_rules
        ]
        if problems:
            raise ConfigError(problems)

    def _keys(self, subscription: Subscription) -> dict[StreamKey, StreamKey]:
        """Each stream once, in order; none for a data type that only another version knows."""
        keys = (
            StreamKey(self.exchange, symbol, data_type)
            for symbol in subscription.symbols
            for data_type in subscription.data_types
            if data_type in self.id_rules
        )
        return {key: key for key in keys}

    def _parts(self, keys: list[StreamKey]) -> list[list[StreamKey]]:
        """Distribute evenly over the fewest connections; streams of one topic stay together."""
        by_topic: dict[str, list[StreamKey]] = {}
        for key in keys:
            by_topic.setdefault(self._topic(key), []).append(key)
        groups = list(by_topic.values())
        count = ceil(len(groups) / self.limits.streams_per_connection)
        bounds = [len(groups) * part // count for part in range(count + 1)] if count else []
        return [[key for group in groups[start:end] for key in group] for start, end in pairwise(bounds)]


def by_channel(topics: Iterable[tuple[str, StreamKey]]) -> dict[str, list[str]]:
    """The symbols of each channel, for topics such as `trade {symbol}`."""
    symbols: dict[str, list[str]] = {}
    for topic, _ in topics:
        channel, _, symbol = topic.partition(" ")
        symbols.setdefault(channel, []).append(symbol)
    return symbols


def noise(frame: bytes) -> Control:
    """A frame that is neither market data nor an answer."""
    return Control(ControlKind.NOISE, shown(frame.decode(errors="replace")))


def batches(items: Sequence[str], size: int) -> list[Sequence[str]]:
    """The items in order, at most `size` in each."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def text(request: object) -> str:
    """A request as JSON."""
    return msgspec.json.encode(request).decode()
