"""The simulator's own HTTP endpoints: `GET /simulator/stats`; `GET`, `POST`, `DELETE /simulator/faults`; `GET`, `POST
/simulator/markets`.
"""

import dataclasses
import json
from typing import Any

from collector.domain.errors import ConfigError
from collector.simulator.connection_settings import Tally
from collector.simulator.fanout import Fanout
from collector.simulator.fault import from_fields
from collector.simulator.listings import Listings
from collector.simulator.replay import Replay
from collector.simulator.response import Response
from collector.simulator.socket_writer import STALL_SECS

PREFIX = "/simulator/"


class Controls:
    """Reports statistics and changes faults while the simulator runs."""

    def __init__(self, fanout: Fanout, tally: Tally, replay: Replay | None, listings: Listings) -> None:
        """Report on and control these parts."""
        self._listings = listings
        self._fanout = fanout
        self._tally = tally
        self._replay = replay

    def respond(self, method: str, target: str, body: bytes) -> Response:
        """Answer one request."""
        match method, target:
            case "GET", "/simulator/stats":
                return _json(200, self.stats())
            case "GET" | "POST" | "DELETE", "/simulator/faults":
                try:
                    self._change_faults(method, body)
                except ConfigError as error:
                    return _json(400, {"problems": error.problems})
                return _json(200, {"faults": [dataclasses.asdict(fault) for fault in self._fanout.faults.faults]})
            case "GET" | "POST", "/simulator/markets":
                try:
                    self._change_markets(method, body)
                except ConfigError as error:
                    return _json(400, {"problems": error.problems})
                return _json(200, {"trading": [listed.market.symbol for listed in self._listings.trading]})
            case _:
                return Response(404, "")

    def _change_faults(self, method: str, body: bytes) -> None:
        faults = self._fanout.faults
        if method == "DELETE":
            faults.faults = ()
        elif method == "POST":
            requested = [from_fields(fields) for fields in _read(body)]
            faults.faults += tuple(fault for fault in requested if not fault.now)
            self._fanout.strike_now(fault for fault in requested if fault.now and fault.kind != "hole")
            for ids in (fault.ids for fault in requested if fault.kind == "hole"):
                for listed in self._listings.known.values():
                    listed.market.skip_ids(ids)

    def _change_markets(self, method: str, body: bytes) -> None:
        if method == "GET":
            return
        if self._replay is not None:
            raise ConfigError(["a recording is played, which has no markets to list"])
        for wanted in _read(body):
            self._listings.change(wanted)

    def stats(self) -> dict[str, Any]:
        """All counts. `send_stalls`: sends that waited more than 50 ms for a client, including one still waiting."""
        waits_secs = [connection.writer.waiting_secs for connection in self._fanout.connections]
        over_limit = [wait_secs for wait_secs in waits_secs if wait_secs > STALL_SECS]
        stalls = self._tally.stalls
        return {
            "connections": [
                {"number": connection.number, "streams": list(connection.streams), "backlog": connection.backlog}
                for connection in self._fanout.connections
            ],
            "connections_total": self._tally.connections,
            "frames_sent": self._tally.sent.total(),
            "frames_by_stream": dict(self._tally.sent),
            "frames_dropped": self._tally.dropped,
            "send_stalls": {"count": stalls.count + len(over_limit), "secs": stalls.secs + sum(over_limit)},
            "replay": self._replay_stats(self._replay) if self._replay else None,
        }

    def _replay_stats(self, replay: Replay) -> dict[str, Any]:
        return {
            "position": replay.position,
            "frames": replay.frames,
            "rounds": replay.rounds,
            "finished": replay.played and self._fanout.idle,
        }


def _read(body: bytes) -> list[dict[str, Any]]:
    try:
        requested = json.loads(body)
    except ValueError as error:
        raise ConfigError([f"the body is not valid JSON: {error}"]) from error
    requested = requested if isinstance(requested, list) else [requested]
    if not all(isinstance(fields, dict) for fields in requested):
        raise ConfigError(["the body must be an object or a list of objects"])
    return requested


def _json(status: int, content: object) -> Response:
    return Response(status, json.dumps(content))
