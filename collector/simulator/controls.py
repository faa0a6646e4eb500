"""The simulator's own HTTP endpoints: `GET /simulator/stats`, and `GET`, `POST`, `DELETE /simulator/faults`."""

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

from collector.domain.errors import ConfigError
from collector.simulator.connection_settings import Tally
from collector.simulator.fanout import Fanout
from collector.simulator.fault import Fault, from_fields
from collector.simulator.market import Market
from collector.simulator.replay import Replay
from collector.simulator.rest import Response
from collector.simulator.socket_writer import STALL_SECS

PREFIX = "/simulator/"


class Controls:
    """What a test asks of the simulator while it runs."""

    def __init__(self, fanout: Fanout, tally: Tally, replay: Replay | None, markets: Sequence[Market]) -> None:
        """Report on, and steer, these."""
        self._markets = markets
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
            case _:
                return Response(404, "")

    def _change_faults(self, method: str, body: bytes) -> None:
        faults = self._fanout.faults
        if method == "DELETE":
            faults.faults = ()
        elif method == "POST":
            wished = _read(body)
            faults.faults += tuple(fault for fault in wished if not fault.now)
            self._fanout.strike_now(fault for fault in wished if fault.now and fault.kind != "hole")
            for ids in (fault.ids for fault in wished if fault.kind == "hole"):
                for market in self._markets:
                    market.pass_over(ids)

    def stats(self) -> dict[str, Any]:
        """Everything countable. `send_stalls`: sends that waited over 50 ms for a client, one going on included."""
        waiting = [connection.outlet.waiting_secs for connection in self._fanout.connections]
        long = [secs for secs in waiting if secs > STALL_SECS]
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
            "send_stalls": {"count": stalls.count + len(long), "secs": stalls.secs + sum(long)},
            "replay": self._replay_stats(self._replay) if self._replay else None,
        }

    def _replay_stats(self, replay: Replay) -> dict[str, Any]:
        return {
            "position": replay.position,
            "frames": replay.frames,
            "rounds": replay.rounds,
            "finished": replay.played and self._fanout.idle,
        }


def _read(body: bytes) -> list[Fault]:
    try:
        wished = json.loads(body)
    except ValueError as error:
        raise ConfigError([f"the body is no JSON: {error}"]) from error
    wished = wished if isinstance(wished, list) else [wished]
    if not all(isinstance(fields, dict) for fields in wished):
        raise ConfigError(["the body is an object, or a list of them"])
    return [from_fields(fields) for fields in wished]


def _json(status: int, content: object) -> Response:
    return Response(status, json.dumps(content))
