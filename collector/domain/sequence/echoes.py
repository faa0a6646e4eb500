"""Finds copies of messages without ids: what one connection delivers, other open connections deliver again.

All connections deliver a stream in the exchange's order. So what one of them delivered is expected from each other open
connection, in the same order. A message with expected content is a copy, and nothing expected before it will still come.
The connection that delivered it first is ahead, so it is not expected to repeat what the other one has delivered.
Each message is expected once from each other connection: two equal messages of one connection are two messages.

Content alone proves little, so messages are compared only if both connections were open, or if one of several lines that
is to have a connection got one just afterwards: a lone connection's successor that lags repeats messages from before it
opened, and those repeats are stored.
"""

import hashlib
from collections.abc import Collection, Iterable
from typing import Final

import msgspec

EXPECTED_LIMIT: Final = 4_096
"""Maximum number of messages expected from one connection; the newest are kept."""


class ExpectedCopies(msgspec.Struct, array_like=True):
    """The messages that one connection is expected to repeat, in order; committed with the rows."""

    digests: list[int] = []
    delivered: list[tuple[int, int]] = []
    """The connection that delivered each message, and when it was received."""

    def add(self, connection: int, received_us: int, digest: int) -> None:
        """Expect a message that another connection has delivered."""
        self.digests.append(digest)
        self.delivered.append((connection, received_us))
        self._forget(len(self.digests) - EXPECTED_LIMIT)

    def expire(self, before_us: int) -> None:
        """Stop expecting the messages received before `before_us`."""
        count = 0
        while count < len(self.delivered) and self.delivered[count][1] < before_us:
            count += 1
        self._forget(count)

    def match(self, digest: int) -> int | None:
        """Returns the connection that delivered this content first, and drops everything older from that connection; None
        if it is not expected.
        """
        if digest not in self.digests:
            return None
        at = self.digests.index(digest)
        connection = self.delivered[at][0]
        self._keep(index for index, (other, _) in enumerate(self.delivered) if index > at or other != connection)
        return connection

    def forget_from(self, connection: int) -> None:
        """Stop expecting anything that `connection` has delivered so far."""
        if any(other == connection for other, _ in self.delivered):
            self._keep(index for index, (other, _) in enumerate(self.delivered) if other != connection)

    def _forget(self, count: int) -> None:
        if count > 0:
            del self.digests[:count], self.delivered[:count]

    def _keep(self, indexes: Iterable[int]) -> None:
        kept = list(indexes)
        self.digests, self.delivered = [self.digests[i] for i in kept], [self.delivered[i] for i in kept]


Echoes = dict[int, ExpectedCopies]
"""Expected copies by the connection that is expected to deliver them."""


def digest_of(content: bytes) -> int:
    """What stands for the content of a message."""
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest())


def inherit(echoes: Echoes, successor: int, heir_of: int, since_us: int) -> None:
    """Expect from a connection what was received since then of what `heir_of` is expected to repeat."""
    expected = echoes.get(heir_of, ExpectedCopies())
    for digest, (connection, received_us) in zip(expected.digests, expected.delivered, strict=True):
        if received_us >= since_us:
            echoes.setdefault(successor, ExpectedCopies()).add(connection, received_us, digest)


def is_echo(
    echoes: Echoes, connection: int, beside: Collection[int], content: bytes, received_us: int, lag_us: int
) -> bool:
    """Whether content is a copy of what another connection delivered; if not, the others are expected to repeat it.

    `beside`: other open connections with the same streams; one may lag `lag_us` behind another. Without them, and with
    nothing expected, the content is not even hashed.
    """
    if echoes:
        _expire(echoes, received_us - lag_us)
    expected = echoes.get(connection)
    if expected is None and not beside:
        return False
    digest = digest_of(content)
    ahead = None if expected is None else expected.match(digest)
    if ahead is None:
        for other in beside:
            echoes.setdefault(other, ExpectedCopies()).add(connection, received_us, digest)
        return False
    if ahead in echoes:
        echoes[ahead].forget_from(connection)
    _expire(echoes, received_us - lag_us)
    return True


def _expire(echoes: Echoes, before_us: int) -> None:
    for connection, expected in list(echoes.items()):
        expected.expire(before_us)
        if not expected.digests:
            del echoes[connection]
