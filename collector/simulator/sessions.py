"""Which conversation a client gets: that of a live market, or that of a recording, by the path it asks for."""

import json
from typing import Final
from urllib.parse import urlsplit

from collector.simulator.binance_session import BinanceSession, FuturesSession
from collector.simulator.bitfinex_session import BitfinexSession
from collector.simulator.client_session import ClientSession
from collector.simulator.dialects import DIALECTS, dialect_of
from collector.simulator.kraken_session import KrakenSession
from collector.simulator.listings import Listings
from collector.simulator.recorded_session import RecordedSession
from collector.simulator.replay import Replay
from collector.simulator.response import Response
from collector.simulator.subscriptions import CATEGORIES, RequestedStreams, requested_streams

KRAKEN: Final = "/kraken/v2"
BITFINEX: Final = "/bitfinex/ws/2"
PLAYED: Final = ("binance", "binance_usdm", "binance_coinm", "kraken", "bitfinex")


class Sessions:
    """Begins the conversation of each client."""

    def __init__(self, replay: Replay | None, listings: Listings, *, send_all_streams: bool) -> None:
        """With `send_all_streams` every client gets everything, whatever it asks for."""
        self._hosts = {} if replay is None else replay.recording.hosts
        self._listings = listings
        self._is_live = replay is None
        self._send_all_streams = send_all_streams

    def new(self, target: str) -> ClientSession | Response:
        """The conversation that begins with this request, or the refusal of a path that nothing is known of."""
        path = urlsplit(target).path.rstrip("/")
        if self._send_all_streams:
            return BinanceSession(RequestedStreams(wrapped=True, streams=()))
        dialect = dialect_of(self._hosts.get(path, ""))
        if path in self._hosts and (dialect is None or dialect.exchange != "binance"):
            return RecordedSession(path, dialect)
        if self._is_live and path == KRAKEN:
            return KrakenSession(self._listings)
        if self._is_live and path == BITFINEX:
            return BitfinexSession(self._listings)
        requested = requested_streams(target)
        if requested is None or not _is_binances(requested):
            return self._refused(path)
        is_futures = path.startswith(CATEGORIES) or any("_perp@" in name for name in requested.streams)
        is_futures = is_futures and self._is_live  # recorded frames have the futures' shape already
        return (FuturesSession if is_futures else BinanceSession)(requested)

    def _refused(self, path: str) -> Response:
        """Names the exchange whose path begins with its name, and what is played."""
        known = next((one.exchange for one in DIALECTS if path.startswith(f"/{one.exchange}")), "")
        what = f"{known} is not played live" if known else f"nothing is known of {path[:100]}"
        text = f"{what}: only {', '.join(PLAYED)} are; recordings of other exchanges are played with --replay"
        if not self._is_live:
            text = f"nothing was recorded at {path[:100]}, but at {', '.join(self._hosts) or 'the streams of Binance'}"
        return Response(404, json.dumps({"error": text}))


def _is_binances(requested: RequestedStreams) -> bool:
    """Whether the names can be Binance's: other exchanges have paths below /ws, too."""
    return requested.wrapped or all("@" in name or name.startswith("!") for name in requested.streams)
