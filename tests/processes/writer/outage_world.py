"""Many streams that lose their connection repeatedly, and the size of the writer's state after it."""

from collections.abc import Callable
from typing import Final

from collector.domain.repair_protocol import RepairAnswer, TradesRequest
from collector.exchanges.adapter import Subscription
from collector.exchanges.registry import adapter
from collector.storage.journal.format import RecordKind
from tests.processes.writer.processor_world import ProcessorWorld

EXCHANGE: Final = "binance_usdm"
TYPES: Final = ("agg_trade", "book_delta", "trade")
"""Aggregates are asked for over REST; the updates of books and single trades cannot be had any more."""

SEC_US: Final = 1_000_000
START_US: Final = 1_700_000_000 * SEC_US
LOST: Final = 3
"""So many messages of each stream are sent during an outage."""


def _diff(symbol: str, id_: int) -> bytes:
    head = f'"e":"depthUpdate","E":{id_},"T":{id_},"s":"{symbol}"'
    body = f'"U":{id_},"u":{id_},"pu":{id_ - 1},"b":[],"a":[]'
    return f'{{"stream":"{symbol.lower()}@depth@100ms","data":{{{head},{body}}}}}'.encode()


def _trade(symbol: str, id_: int) -> bytes:
    head = f'"e":"trade","E":{id_},"T":{id_},"s":"{symbol}"'
    return f'{{"stream":"{symbol.lower()}@trade","data":{{{head},"t":{id_},"p":"1","q":"1","X":"MARKET","m":true}}}}'.encode()


def _aggregate(symbol: str, id_: int) -> bytes:
    head = f'"e":"aggTrade","E":{id_},"T":{id_},"s":"{symbol}"'
    body = f'"a":{id_},"p":"1","q":"1","f":{id_},"l":{id_},"m":true'
    return f'{{"stream":"{symbol.lower()}@aggTrade","data":{{{head},{body}}}}}'.encode()


FRAMES: Final[tuple[Callable[[str, int], bytes], ...]] = (_aggregate, _diff, _trade)


class Outages:
    """A repaired feed with this many streams, three per symbol."""

    def __init__(self, streams: int, *, answered: bool = True) -> None:
        """`answered`: the exchange answers that it has none of the missing messages; otherwise it does not answer."""
        self.symbols = tuple(f"S{number}USDT" for number in range(streams // len(TYPES)))
        self.world = ProcessorWorld(EXCHANGE, self.symbols, TYPES, repaired=True)
        self._answered = answered
        self._plans = range(len(adapter(EXCHANGE).shares(Subscription(self.symbols, TYPES))))
        self._now_us = START_US
        self._next_id = 1
        self._connections = 0
        self._connect()
        self._speak()
        self.world.commit()

    def outage(self, *, pause_secs: int) -> int:
        """One of a second; returns the bytes of state of the commit behind it. Then nothing happens for so long."""
        self._disconnect()
        self._now_us += SEC_US
        self._next_id += LOST
        self._connect()
        self._speak()
        self._pass(5)
        size_bytes = self.world.commit()
        if self._answered:
            self._answer()
        self._pass(pause_secs)
        return size_bytes

    def _pass(self, secs: int) -> None:
        """Only one symbol has messages."""
        for _ in range(secs):
            self._now_us += SEC_US
            self.world.receive(self._now_us, [_diff("S0USDT", self._next_id)])

    def _speak(self) -> None:
        self.world.receive(self._now_us, [frame(name, self._next_id) for name in self.symbols for frame in FRAMES])
        self._next_id += 1

    def _connect(self) -> None:
        for plan in self._plans:
            self._connections += 1
            about = {"connection": self._connections, "plan": plan, "url": "ws://x", "streams": 1}
            self.world.happened(RecordKind.CONNECT, self._now_us, **about)

    def _disconnect(self) -> None:
        for plan in self._plans:
            connection = self._connections - len(self._plans) + plan + 1
            about = {"connection": connection, "plan": plan, "cause": "disconnect", "reason": "lost"}
            self.world.happened(RecordKind.DISCONNECT, self._now_us, **about)

    def _answer(self) -> None:
        for request in self.world.requests:
            if isinstance(request, TradesRequest):
                stream, first, last = request.stream, request.first, request.last
                end = RepairAnswer(stream.symbol, stream.data_type, "end", request.series, first, last)
                self.world.answered(self._now_us, end)
        self.world.requests.clear()
