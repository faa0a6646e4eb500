"""Sees to it that one relay alone takes a feed: two would each remove from NATS what the other one needs.

Whoever takes it keeps a key changing. A relay on another data directory takes the feed only once that key was set free, or
has stood still for long enough by the relay's own clock; nobody can take it unseen, as each write names the one before it.
"""

import asyncio
import re
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from collector.bus import names
from collector.bus.bus import Bus, BusError, ChangedError, Entry, MissingError
from collector.storage.durable import write_durably

BEAT_SECS: Final = 1.0
QUIET_SECS: Final = 10.0
"""A taker whose key has stood still for so long is gone."""

_NAME: Final = re.compile(rb"[0-9a-f]{16}")


class Sign(msgspec.Struct, frozen=True):
    """The value of the key."""

    taker: str
    """Of a data directory, see `taker_of`."""
    life: str
    """Of one process."""
    host: str
    beat: int
    """Rises."""
    is_free: bool = False
    """Whether it ended in order, so that nobody needs to wait."""


def taker_of(folder: Path) -> str:
    """The name of the relay whose journal is in that folder; the first to ask makes it, durably. Raises OSError."""
    path = folder / "taker"
    known = path.read_bytes().strip() if path.exists() else b""
    if _NAME.fullmatch(known):
        return known.decode("ascii")
    taker = secrets.token_hex(8)
    folder.mkdir(parents=True, exist_ok=True)
    write_durably(path, f"{taker}\n".encode())
    return taker


def sign_of(value: bytes) -> Sign | None:
    """What the value says; None if it says nothing."""
    try:
        return msgspec.json.decode(value, type=Sign)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


class Taker:
    """`keep` runs beside the relay, which takes slices while `is_ours`."""

    def __init__(
        self, bus: Bus, feed: str, taker: str, host: str, monotonic: Callable[[], float], begun: Callable[[], None]
    ) -> None:
        """`begun` is called when this relay begins to take the feed."""
        self._bus = bus
        self._key = names.taker_key(feed)
        self._taker = taker
        self._host = host
        self._life = secrets.token_hex(8)
        self._monotonic = monotonic
        self._begun = begun
        self._asking = asyncio.Lock()
        self._beat = 0
        self._seen: tuple[bytes, float] = b"", 0.0
        """The value of another relay, and when it was first seen."""
        self.is_ours = False
        self.trouble = ""
        """Why another relay takes the feed; empty if none does."""

    async def keep(self) -> None:
        """Keep the key, or wait for it, until cancelled."""
        while True:
            with suppress(BusError):  # whoever tells the edges asks too, and says so
                await self.holds()
            await asyncio.sleep(BEAT_SECS)

    async def holds(self) -> bool:
        """Whether this relay takes the feed, as the servers say now. Raises BusError."""
        async with self._asking:
            entry = await self._entry()
            if entry is not None and not self._may_follow(entry):
                self._lose(entry.value)
            else:
                await self._set(0 if entry is None else entry.revision, is_free=False)
            return self.is_ours

    async def leave(self) -> None:
        """Say that the feed is free, if it was this relay's."""
        with suppress(BusError):  # its silence says the same, later
            if await self.holds() and (entry := await self._entry()) is not None:
                await self._set(entry.revision, is_free=True)

    async def _entry(self) -> Entry | None:
        try:
            return await self._bus.get(names.PLACES, self._key)
        except MissingError:
            await self._bus.make_bucket(names.PLACES)
            return None

    def _may_follow(self, entry: Entry) -> bool:
        sign, now = sign_of(entry.value), self._monotonic()
        if sign is not None:
            is_predecessor = sign.taker == self._taker and not self._beat
            if sign.life == self._life or sign.is_free or is_predecessor:
                return True
        if entry.value != self._seen[0]:
            self._seen = entry.value, now
        return now - self._seen[1] >= QUIET_SECS

    async def _set(self, after: int, *, is_free: bool) -> None:
        sign = Sign(self._taker, self._life, self._host, self._beat + 1, is_free)
        value = msgspec.json.encode(sign)
        try:
            await self._bus.put(names.PLACES, self._key, value, after)
        except ChangedError:
            self._lose(b"")
            return
        self._beat += 1
        was_ours, self.is_ours, self.trouble = self.is_ours, True, ""
        if not was_ours:
            self._begun()

    def _lose(self, value: bytes) -> None:
        sign = sign_of(value)
        whose = "another one" if sign is None else f"that of {sign.host}"
        self.is_ours = False
        self.trouble = f"two relays have this feed, and {whose} takes it: only one storage host may have a feed"
