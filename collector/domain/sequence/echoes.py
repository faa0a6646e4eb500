"""Copies of messages without ids: of what one connection brought, the equal content that another one brings beside it.

Connections bring a stream in the exchange's order. So what one of them brought is awaited from each that stands beside
it, in that order. Content that is awaited is a copy, and nothing before it will come any more; the connection that
brought it first is ahead, and is not awaited to bring what the other one has brought until now. Each message makes
expected one copy from each other connection: two equal messages of one connection are two.

Content alone proves little. So only what was brought while both stood is compared: a successor that lags behind repeats
what came before it opened, and that is kept.
"""

import hashlib
from collections.abc import Collection, Iterable
from typing import Final

import msgspec

AWAITED_LIMIT: Final = 4_096
"""So much is awaited from a connection, the newest."""


class Awaited(msgspec.Struct, array_like=True):
    """What others brought and a connection is yet to bring, in order; it commits with the rows."""

    digests: list[int] = []
    brought: list[tuple[int, int]] = []
    """By which connection, and when received."""

    def add(self, source: int, received_us: int, digest: int) -> None:
        """Another one has brought this."""
        self.digests.append(digest)
        self.brought.append((source, received_us))
        self._forget(len(self.digests) - AWAITED_LIMIT)

    def expire(self, before_us: int) -> None:
        """What was received before then does not come any more."""
        count = 0
        while count < len(self.brought) and self.brought[count][1] < before_us:
            count += 1
        self._forget(count)

    def take(self, digest: int) -> int | None:
        """The connection that brought equal content first; None if that is not awaited. Nothing of it before that is."""
        if digest not in self.digests:
            return None
        at = self.digests.index(digest)
        source = self.brought[at][0]
        self._keep(index for index, (other, _) in enumerate(self.brought) if index > at or other != source)
        return source

    def pass_by(self, source: int) -> None:
        """All that the other one has brought until now lies behind."""
        if any(other == source for other, _ in self.brought):
            self._keep(index for index, (other, _) in enumerate(self.brought) if other != source)

    def _forget(self, count: int) -> None:
        if count > 0:
            del self.digests[:count], self.brought[:count]

    def _keep(self, indexes: Iterable[int]) -> None:
        kept = list(indexes)
        self.digests, self.brought = [self.digests[i] for i in kept], [self.brought[i] for i in kept]


Echoes = dict[int, Awaited]
"""By connection."""


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
