"""Finds copies of messages without ids: what one connection delivered, another one beside it brings again.

All connections bring a stream in the exchange's order. So what one of them delivered is expected from each open connection
beside it, in that order. A message whose content is expected is a copy, and nothing expected before it will come any
more; the connection that delivered it first is ahead, so from it nothing is expected of what the other one has delivered.
Each message is expected once from each other connection: two equal messages of one connection are two messages.

Content alone proves little, so messages are compared only if both connections were open: a successor that lags repeats
what came before it opened, and those repeats are stored.
"""

import hashlib
from collections.abc import Collection, Iterable
from typing import Final

import msgspec

EXPECTED_LIMIT: Final = 4_096
"""Messages expected from one connection at most; the newest are kept."""


class ExpectedCopies(msgspec.Struct, array_like=True):
    """What one connection is expected to repeat, in order; it commits with the rows."""

    digests: list[int] = []
    delivered: list[tuple[int, int]] = []
    """The connection that delivered each, and when it was received."""

    def add(self, connection: int, received_us: int, digest: int) -> None:
        """Another connection has delivered this message."""
        self.digests.append(digest)
        self.delivered.append((connection, received_us))
        self._forget(len(self.digests) - EXPECTED_LIMIT)

    def expire(self, before_us: int) -> None:
        """Stop expecting what was received before then."""
        count = 0
        while count < len(self.delivered) and self.delivered[count][1] < before_us:
            count += 1
        self._forget(count)

    def match(self, digest: int) -> int | None:
        """The connection that delivered equal content first; None if it is not expected.

        What that connection delivered earlier is not expected any more.
        """
        if digest not in self.digests:
            return None
        at = self.digests.index(digest)
        connection = self.delivered[at][0]
        self._keep(index for index, (other, _) in enumerate(self.delivered) if index > at or other != connection)
        return connection

    def forget_from(self, connection: int) -> None:
        """Stop expecting what that connection has delivered until now."""
        if any(other == connection for other, _ in self.delivered):
            self._keep(index for index, (other, _) in enumerate(self.delivered) if other != connection)

    def _forget(self, count: int) -> None:
        if count > 0:
            del self.digests[:count], self.delivered[:count]

    def _keep(self, indexes: Iterable[int]) -> None:
        kept = list(indexes)
        self.digests, self.delivered = [self.digests[i] for i in kept], [self.delivered[i] for i in kept]


Echoes = dict[int, ExpectedCopies]
"""By the connection they are expected from."""


def is_echo(
    echoes: Echoes, connection: int, beside: Collection[int], content: bytes, received_us: int, lag_us: int
) -> bool:
    """Whether content is a copy of what another connection delivered; `beside` are those that stand now and bring the same.

    One may lag `lag_us` behind another. Where none stands beside it, and nothing is awaited, nothing is looked at.
    """
    if echoes:
        _expire(echoes, received_us - lag_us)
    expected = echoes.get(connection)
    if expected is None and not beside:
        return False
    digest = int.from_bytes(hashlib.blake2b(content, digest_size=8).digest())
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
    for connection, awaited in list(echoes.items()):
        awaited.expire(before_us)
        if not awaited.digests:
            del echoes[connection]
