"""A bucket of keys: some are put by this host, all are watched."""

import asyncio
from collections.abc import Mapping
from typing import Final

from collector.bus.bus import Bus, BusError
from collector.bus.names import name_of

RETRY_SECS: Final = 1.0
"""Until a bucket that could not be watched is tried again."""


class WatchedBucket:
    """For one event loop. What the servers do not take is for the caller to try again."""

    def __init__(self, bus: Bus, bucket: str) -> None:
        self._bus = bus
        self._bucket = bucket
        self._arrived = asyncio.Event()
        self._revision = 0
        """The newest that was seen."""
        self.values: dict[str, bytes] = {}
        """By key."""
        self.error: str | None = None
        """What last went wrong; None once it went well."""

    @property
    def of_hosts(self) -> Mapping[str, bytes]:
        """The values by host, where each has a key of its name."""
        return {name_of(key): value for key, value in self.values.items()}

    async def follow(self) -> None:
        """Watch for ever; make the bucket where there is none."""
        while True:
            try:
                await self._bus.make_bucket(self._bucket)
                await self._watch()
            except BusError as error:
                self.error = str(error)
            await asyncio.sleep(RETRY_SECS)

    async def put(self, key: str, value: bytes, within_secs: float) -> bool:
        """Put a value; whether everything that was put before it is in `values` now.

        Only then does another value that has not changed mean that its host is silent: else the servers may be.
        """
        revision = await self.tell(key, value)
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

    async def tell(self, key: str, value: bytes) -> int | None:
        """Put a value; returns its revision, None if the servers do not take it."""
        try:
            return await self._bus.put(self._bucket, key, value)
        except BusError as error:
            self.error = str(error)
            return None

    async def remove(self, key: str) -> None:
        """Remove a key that nobody needs any more."""
        self.values.pop(key, None)
        try:
            await self._bus.delete(self._bucket, key)
        except BusError as error:
            self.error = str(error)  # it only takes room, and whoever starts next tries again in a day

    async def _watch(self) -> None:
        # A bucket that was made again counts from 1 again.
        self._revision = 0
        async for entries in self._bus.watch(self._bucket):
            for entry in entries:
                self.values[entry.key] = entry.value
                self._revision = max(self._revision, entry.revision)
            self._arrived.set()
