"""Finds copies of messages without ids: what one connection brought, another one beside it brings again.

All connections bring a stream in the exchange's order. So what one of them brought is expected from each open connection
beside it, in that order. A message whose content is expected is a copy, and nothing expected before it will come any
more; the connection that brought it first is ahead, so from it nothing is expected of what the other one has brought.
Each message is expected once from each other connection: two equal messages of one connection are two messages.

Content alone proves little, so messages are compared only if both connections were open: a successor that lags repeats
what came before it opened, and those repeats are stored.
"""

import hashlib
from collections.abc import Collection, Iterable
from typing import Final

import msgspec

AWAITED_LIMIT: Final = 4_096
"""Messages expected from one connection at most; the newest are kept."""


class Awaited(msgspec.Struct, array_like=True):
    """What one connection is expected to repeat, in order; it commits with the rows."""

    digests: list[int] = []
    brought: list[tuple[int, int]] = []
    """The connection that brought each, and when it was received."""

    def add(self, source: int, received_us: int, digest: int) -> None:
        """Another connection has brought this message."""
        self.digests.append(digest)
        self.brought.append((source, received_us))
        self._forget(len(self.digests) - AWAITED_LIMIT)

    def expire(self, before_us: int) -> None:
        """Stop expecting what was received before then."""
        count = 0
        while count < len(self.brought) and self.brought[count][1] < before_us:
            count += 1
        self._forget(count)

    def take(self, digest: int) -> int | None:
        """The connection that brought equal content first; None if it is not expected.

        What that connection brought earlier is not expected any more.
        """
        if digest not in self.digests:
            return None
        at = self.digests.index(digest)
        source = self.brought[at][0]
        self._keep(index for index, (other, _) in enumerate(self.brought) if index > at or other != source)
        return source

    def pass_by(self, source: int) -> None:
        """Stop expecting what that connection has brought until now."""
        if any(other == source for other, _ in self.brought):
            self._keep(index for index, (other, _) in enumerate(self.brought) if other != source)

    def _forget(self, count: int) -> None:
        if count > 0:
            del self.digests[:count], self.brought[:count]

    def _keep(self, indexes: Iterable[int]) -> None:
        kept = list(indexes)
        self.digests, self.brought = [self.digests[i] for i in kept], [self.brought[i] for i in kept]


Echoes = dict[int, Awaited]
"""By the connection they are expected from."""


def is_echo(
    echoes: Echoes, source: int, beside: Collection[int], content: bytes, received_us: int, lag_us: int
) -> bool:
    """Whether content is a copy of what another connection brought; `beside` are those that stand now and bring the same.

    One may lag `lag_us` behind another. Where none stands beside it, and nothing is awaited, nothing is looked at.
    """
    if echoes:
        _expire(echoes, received_us - lag_us)
    own = echoes.get(source)
    if own is None and not beside:
        return False
    digest = int.from_bytes(hashlib.blake2b(content, digest_size=8).digest())
    ahead = None if own is None else own.take(digest)
    if ahead is None:
        for other in beside:
            echoes.setdefault(other, Awaited()).add(source, received_us, digest)
        return False
    if ahead in echoes:
        echoes[ahead].pass_by(source)
    _expire(echoes, received_us - lag_us)
    return True


def _expire(echoes: Echoes, before_us: int) -> None:
    for source, awaited in list(echoes.items()):
        awaited.expire(before_us)
        if not awaited.digests:
            del echoes[source]
