"""The decoder of each record: one for all frames of a feed, or, where the adapter converses, one for each connection.

What the frames of a connection taught its decoder is kept with the feed's state and committed with the rows: so a writer
that is killed continues with it in the middle of a connection, and it crosses the border of a segment.
"""

from collections.abc import Callable
from typing import NamedTuple

from collector.exchanges.adapter import Adapter, Conversation, Decode, Subscription
from collector.processes.writer.gaps.feed_state import ConnectionMemory
from collector.storage.journal.format import FeedIdentity

ConnectionsOf = Callable[[str], dict[int, ConnectionMemory]]
"""What is known of a feed's connections, by their numbers in the heads of records."""


class Shared(NamedTuple):
    """What decodes the frames of a feed."""

    decode: Decode
    """For adapters that converse, only the pattern of the decoders of single connections."""
    adapter: Adapter
    is_by_connection: bool
    """Whether frames must be taken connection by connection, in order."""


class _Talk(NamedTuple):
    identity: FeedIdentity
    memory: ConnectionMemory
    conversation: Conversation


class Decoders:
    """Makes the decoders that the journals ask for."""

    def __init__(self, adapter_of: Callable[[str], Adapter], connections_of: ConnectionsOf) -> None:
        self._adapter_of = adapter_of
        self._connections_of = connections_of
        self._shared: dict[str, tuple[FeedIdentity, Shared]] = {}
        """Of each feed those of the identity asked for last: each time that symbols join or leave there is a new one."""
        self._newest: tuple[FeedIdentity, Shared] | None = None
        """An identity has thousands of symbols, which would have to be hashed for each record."""
        self._talks: dict[tuple[str, int], _Talk] = {}
        self._heard: dict[tuple[str, int], _Talk] = {}
        """Those that have decoded since the last `note_heard`."""

    def of_feed(self, identity: FeedIdentity) -> Shared:
        """What decodes the feed's frames."""
        if self._newest is not None and self._newest[0] is identity:
            return self._newest[1]
        known = self._shared.get(identity.feed)
        if known is None or known[0] != identity:
            adapter = self._adapter_of(identity.exchange)
            decode = adapter.decoder(_subscription(identity))
            shared = Shared(decode, adapter, isinstance(decode, Conversation) or adapter.has_tickets)
            known = self._shared[identity.feed] = identity, shared
        self._newest = identity, known[1]
        return known[1]

    def of_connection(self, identity: FeedIdentity, connection: int) -> Decode:
        """The decoder of a connection. Records of older journals, which do not name theirs (0), share one."""
        shared = self.of_feed(identity)
        if not shared.is_by_connection or not isinstance(shared.decode, Conversation):
            return shared.decode
        place = identity.feed, connection
        memory = self._connections_of(identity.feed).setdefault(connection, ConnectionMemory())
        talk = self._talks.get(place)
        if talk is None or talk.memory is not memory or talk.identity != identity:
            talk = self._begin(place, identity, memory)
        self._heard[place] = talk
        return talk.conversation

    def note_heard(self) -> None:
        """Put what the decoders have learned into the state of their feeds. Call it before a commit."""
        for talk in self._heard.values():
            talk.memory.heard = talk.conversation.state()
        self._heard = {}

    def _begin(self, place: tuple[str, int], identity: FeedIdentity, memory: ConnectionMemory) -> _Talk:
        self.note_heard()
        self._talks = {
            known: talk
            for known, talk in self._talks.items()
            if known[0] != identity.feed or self._connections_of(known[0]).get(known[1]) is talk.memory
        }
        conversation = self.of_feed(identity).adapter.decoder(_subscription(identity), memory.heard)
        if not isinstance(conversation, Conversation):
            raise TypeError(f"{identity.exchange}: a decoder with a state is none that converses")
        talk = self._talks[place] = _Talk(identity, memory, conversation)
        return talk


def _subscription(identity: FeedIdentity) -> Subscription:
    return Subscription(identity.symbols, identity.data_types)
