"""Receives with picows, which is written in C, and counts: nothing is stored."""

import asyncio

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect
from telling import stay, task, tell, tell_process, tell_stored


class Counter(WSListener):
    """Counts the messages; each is taken as bytes, as whoever keeps it has to."""

    def __init__(self, messages: int, done: "asyncio.Future[None]") -> None:
        super().__init__()
        self._missing = messages
        self._done = done

    def on_ws_connected(self, _transport: WSTransport) -> None:
        """It stands."""
        tell(ready=True)

    def on_ws_frame(self, _transport: WSTransport, frame: WSFrame) -> None:
        """One came."""
        if frame.msg_type == WSMsgType.TEXT:
            frame.get_payload_as_bytes()
            self._missing -= 1
            if not self._missing:
                self._done.set_result(None)


async def main() -> None:
    """Until all came."""
    given = task()
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    await ws_connect(lambda: Counter(given.messages, done), given.url)
    await done
    tell_stored(given.messages)
    tell(done=given.messages)
    stay()


if __name__ == "__main__":
    tell_process("picows")
    asyncio.run(main())
