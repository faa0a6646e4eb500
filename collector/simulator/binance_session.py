"""Binance's side of a connection: combined streams, of spot or in the shape of the futures."""

import json
from collections.abc import Sequence
from typing import Final

from collector.simulator.client_session import ClientError, ClientSession
from collector.simulator.frames import Frame, bare, combined, payload
from collector.simulator.subscriptions import RequestedStreams, answer

STREAMS_PER_CONNECTION: Final = 1024


class BinanceSession(ClientSession):
    """A client of spot."""

    messages_per_sec = 5

    def __init__(self, requested: RequestedStreams) -> None:
        """Subscribe to the streams in the URL."""
        self.wrapped = requested.wrapped
        self._streams: dict[str, None] = dict.fromkeys(requested.streams)

    @property
    def renders(self) -> bool:
        """Frames of the market are spot's, with their wrap."""
        return not self.wrapped

    @property
    def streams(self) -> Sequence[str]:
        """Their names."""
        return list(self._streams)

    def handle(self, text: bytes) -> list[str]:
        """One reply to each message."""
        reply, self._streams = answer(text, self._streams)
        if len(self._streams) > STREAMS_PER_CONNECTION:
            raise ClientError("too many streams")
        return [reply]

    def wants(self, stream: str) -> bool:
        """By its name."""
        return stream in self._streams

    def render(self, frame: Frame) -> list[Frame]:
        """Without the wrap on `/ws`."""
        return [frame if self.wrapped else bare(frame)]


class FuturesSession(BinanceSession):
    """A client of the futures: its messages have the time of the matching engine, and diffs the id of the one before."""

    @property
    def renders(self) -> bool:
        """Always."""
        return True

    def render(self, frame: Frame) -> list[Frame]:
        """Spot's message with the futures' further keys."""
        data = json.loads(payload(frame.wire))["data"]
        shaped = combined(frame.stream, json.dumps(_as_futures(frame.stream, data), separators=(",", ":")))
        return super().render(shaped._replace(fault=frame.fault))


def _as_futures(stream: str, data: dict[str, object]) -> dict[str, object]:
    channel = stream.partition("@")[2]
    match data:
        case {"e": "depthUpdate", "E": sent, "U": int(first)}:
            return {**data, "T": sent, "pu": first - 1}
        case {"lastUpdateId": int(last), "bids": bids, "asks": asks, **times}:
            symbol, sent = stream.partition("@")[0].upper(), times.get("E", 0)
            ids = {"U": last, "u": last, "pu": last - 1}
            return {"e": "depthUpdate", "E": sent, "T": sent, "s": symbol, **ids, "b": bids, "a": asks}
        case {"e": "trade"}:
            return {**data, "X": "MARKET"}
    return {"e": channel, **data} if channel == "bookTicker" else data
