"""A bucket of keys in which every host has one: this host's is put, all are watched."""

import asyncio
from typing import Final

from collector.bus.bus import Bus, BusError
from collector.bus.names import name_of, token

RETRY_SECS: Final = 1.0
"""Until a bucket that could not be watched is tried again."""


class WatchedBucket:
    """For one event loop. What the servers do not take is tried again with the next value."""

    def __init__(self, bus: Bus, bucket: str, host: str) -> None:
        self._bus = bus
        self._bucket = bucket
        self._key = token(host)
        self._arrived = asyncio.Event()
        self._revision = 0
        """The newest that was seen."""
        self.values: dict[str, bytes] = {}
        """By host."""
        self.error: str | None = None
        """What last went wrong; None once it went well."""

    async def follow(self) -> None:
        """Watch for ever; make the bucket where there is none."""
        while True:
            try:
                await self._bus.make_bucket(self._bucket)
                await self._watch()
            except BusError as error:
                self.error = str(error)
            await asyncio.sleep(RETRY_SECS)

    async def put(self, value: bytes, within_secs: float) -> bool:
        """Put this host's value; whether everything that was put before it is in `values` now.

        Only then does a value that has not changed mean that its host is silent: else the servers may be.
        """
        revision = await self.tell(value)
        if revision is None:
            return False
        try:
            async with asyncio.timeout(within_secs):
                while self._revision < revision:
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            self.error = "the NATS servers do not tell what they were told"
            return False
        self.error = None
        return True

    async def tell(self, value: bytes) -> int | None:
        """Put this host's value; returns its revision, None if the servers do not take it."""
        try:
            return await self._bus.put(self._bucket, self._key, value)
        except BusError as error:
            self.error = str(error)
            return None

    async def remove(self, host: str) -> None:
        """Remove the value of a host that has been gone for long."""
        self.values.pop(host, None)
        try:
            await self._bus.delete(self._bucket, token(host))
        except BusError as error:
            self.error = str(error)  # it only takes room, and whoever starts next tries again in a day

    async def _watch(self) -> None:
        # A bucket that was made again counts from 1 again.
        self._revision = 0
        async for entries in self._bus.watch(self._bucket):
            for entry in entries:
                self.values[name_of(entry.key)] = entry.value
                self._revision = max(self._revision, entry.revision)
            self._arrived.set()
