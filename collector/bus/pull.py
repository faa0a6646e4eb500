"""Reads a stream's messages in order, asking for some at a time.

Without acknowledgements: the reader is forgotten by the servers when it is gone, and whoever reads judges by what the messages
say. Nothing is put right here: after any doubt BusError is raised, and the stream is read anew from where the caller is.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

from collector.bus.answers import Delivery
from collector.bus.bus import BusError
from collector.bus.link import Link, Message

BATCH: Final = 32
"""So many messages are asked for at a time, which bounds what waits in memory."""

EXPIRES_SECS: Final = 2.0
SILENT_SECS: Final = 5.0
"""The servers answer each request within `EXPIRES_SECS`, if only that there is nothing; this much later they are gone."""

IDLE_SECS: Final = 1.0


class Pull:
    """A reader of one stream."""

    def __init__(self, link: Link, stream: str) -> None:
        self._link = link
        self._stream = stream
        self._inbox = link.inbox()
        self._name = self._inbox.rpartition(".")[2]
        self._arrived: asyncio.Queue[Message] = asyncio.Queue()
        self.delivery = Delivery()
        self.pending = 0
        """Messages that the stream had when reading began."""

    async def messages(self, settings: dict[str, Any]) -> AsyncIterator[list[tuple[int, Message]]]:
        """The messages with their sequences, several at a time; an empty list if there are none, and when none came for IDLE_SECS.

        Raises BusError.
        """
        end = await self._link.listen(self._inbox, self._arrived.put_nowait)
        try:
            await self._make({**settings, "name": self._name})
            if not self.pending:
                yield []
            silent_since = asyncio.get_running_loop().time()
            while True:
                await self._ask()
                raw = await self._taken()
                if raw:
                    silent_since = asyncio.get_running_loop().time()
                elif asyncio.get_running_loop().time() - silent_since > SILENT_SECS:
                    raise BusError("the NATS servers do not answer a reader of a stream")
                if not self._link.is_up:
                    raise BusError("the connection to the NATS server was lost")
                found = [
                    (self.delivery.arrived(message.reply), message) for message in raw if self._is_message(message)
                ]
                if found or not raw:
                    yield found
        finally:
            await end()

    async def _make(self, settings: dict[str, Any]) -> None:
        name = f"CONSUMER.CREATE.{self._stream}.{self._name}"
        if "filter_subject" in settings:
            name = f"{name}.{settings['filter_subject']}"
        made = await self._link.api(name, {"stream_name": self._stream, "config": settings})
        self.pending = int(made.get("num_pending", 0))

    async def _ask(self) -> None:
        if self.delivery.wanted > BATCH // 2:
            return
        count = BATCH - self.delivery.wanted
        body = f'{{"batch":{count},"expires":{int(EXPIRES_SECS * 1e9)}}}'.encode()
        await self._link.send(f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._name}", body, self._inbox)
        self.delivery.wanted += count

    async def _taken(self) -> list[Message]:
        try:
            async with asyncio.timeout(IDLE_SECS):
                taken = [await self._arrived.get()]
        except TimeoutError:
            return []
        while not self._arrived.empty():
            taken.append(self._arrived.get_nowait())
        return taken

    def _is_message(self, message: Message) -> bool:
        status = message.status
        if status:
            self.delivery.ended(status, message.headers)
        return not status
