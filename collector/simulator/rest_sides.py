"""Which exchange's REST side a request is for: by its path, and in a replay by what was recorded."""

import json
from typing import Final
from urllib.parse import urlsplit

from collector.simulator import bitfinex_rest, kraken_rest
from collector.simulator.dialects import dialect_of
from collector.simulator.http1 import Request
from collector.simulator.listings import Listings
from collector.simulator.market_history import MarketHistory
from collector.simulator.recording_history import RecordingHistory
from collector.simulator.replay import Replay
from collector.simulator.response import Response
from collector.simulator.rest import Rest

KRAKEN: Final = "/kraken"
BITFINEX: Final = "/bitfinex"
KUCOIN_WHERE: Final = "/api/v1/bullet-public"
PING_INTERVAL_MS: Final = 18_000


class RestSides:
    """Answers REST requests."""

    def __init__(self, replay: Replay | None, listings: Listings) -> None:
        """Answer from the recording that is played, or else from the live markets."""
        self._replay = replay
        self._listings = listings
        history = (
            MarketHistory(listings) if replay is None else RecordingHistory(replay.recording, lambda: replay.position)
        )
        self._binance = Rest(history)

    def respond(self, request: Request, now_ms: int, *, stale: bool) -> Response:
        """`stale`: send an old book."""
        answer = self._live(request, now_ms) if self._replay is None else self._recorded(request, self._replay)
        return answer or self._binance.respond(request.method, request.target, now_ms, stale=stale)

    def _live(self, request: Request, now_ms: int) -> Response | None:
        if request.method != "GET":
            return None
        if request.target.startswith(f"{KRAKEN}/"):
            return kraken_rest.respond(self._listings, request.target.removeprefix(KRAKEN), now_ms)
        if request.target.startswith(f"{BITFINEX}/"):
            return bitfinex_rest.respond(self._listings, request.target.removeprefix(BITFINEX))
        return None

    def _recorded(self, request: Request, replay: Replay) -> Response | None:
        path = urlsplit(request.target).path
        if self._binance.knows(path):
            return None
        if path == KUCOIN_WHERE:
            return _kucoin_token(request, replay.recording.hosts)
        body = replay.recording.response(request.target)
        return None if body is None else Response(200, body)


def _kucoin_token(request: Request, hosts: dict[str, str]) -> Response | None:
    """Where to connect to, which is this server; None if nothing of KuCoin is played.

    Source: https://www.kucoin.com/docs-new/websocket-api/base-info/introduction
    """
    dialects = {path: dialect_of(host) for path, host in hosts.items()}
    path = next((path for path, one in dialects.items() if one is not None and one.exchange == "kucoin"), None)
    if path is None or request.method != "POST":
        return None
    server = {
        "endpoint": f"ws://{request.headers.get('host', '')}{path or '/'}",
        "encrypt": False,
        "protocol": "websocket",
        "pingInterval": PING_INTERVAL_MS,
        "pingTimeout": 10_000,
    }
    return Response(200, json.dumps({"code": "200000", "data": {"token": "simulated", "instanceServers": [server]}}))
