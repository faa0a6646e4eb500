"""Subscriptions: streams in the URL, and SUBSCRIBE, UNSUBSCRIBE and LIST_SUBSCRIPTIONS messages.

Source: https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams. An acknowledgement says that
the request was understood, not that the stream exists: unknown and misspelt names are accepted and stay silent.
"""

import json
import re
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

METHODS: Final = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS")

CATEGORIES: Final = ("/public", "/market")
"""Prefixes of USD-M's paths; every stream is served on each of them."""

_TEXT_ID: Final = re.compile(r"[0-9A-Za-z]{1,36}")


class RequestedStreams(NamedTuple):
    """The streams in a URL; `wrapped`: payloads carry their stream's name."""

    wrapped: bool
    streams: tuple[str, ...]


class Answer(NamedTuple):
    """The reply to a message, and the streams subscribed after it."""

    text: str
    streams: dict[str, None]


def requested_streams(target: str) -> RequestedStreams | None:
    """Parse a request target, percent-encoded or not; None if there is no such endpoint."""
    url = urlsplit(target)
    path = unquote(url.path).rstrip("/")
    for category in CATEGORIES:
        path = path.removeprefix(category)
    if path == "/stream":
        pairs = parse_qsl(url.query, keep_blank_values=True)
        if any(name != "streams" for name, _ in pairs):
            return None
        return RequestedStreams(
            wrapped=True, streams=tuple(name for _, value in pairs for name in value.split("/") if name)
        )
    if path == "/ws" or path.startswith("/ws/"):
        return RequestedStreams(wrapped=False, streams=tuple(name for name in path[len("/ws") :].split("/") if name))
    return None


def answer(text: str | bytes, streams: dict[str, None]) -> Answer:
    """Execute one client message; `streams` is in the order of subscription and is not changed."""
    try:
        request = json.loads(text)
    except ValueError:
        return _refuse(3, "Invalid JSON: expected value at line 1 column 1", streams)
    if not isinstance(request, dict) or "method" not in request:
        return _refuse(2, "Invalid request: missing field `method` at line 1 column 1", streams)
    if not _valid_id(request.get("id", ...)):
        return _refuse(2, "Invalid request: request ID must be an unsigned integer", streams)
    return _execute(request, streams)


def _execute(request: dict[str, Any], streams: dict[str, None]) -> Answer:
    method, names, number = request["method"], request.get("params", []), request["id"]
    if method not in METHODS:
        return _refuse(2, f"Invalid request: unknown variant `{method}`, expected one of {METHODS}", streams, number)
    if method == "LIST_SUBSCRIPTIONS":
        return _accept(list(streams), streams, number)
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        return _refuse(2, "Invalid request: invalid stream", streams, number)
    if method == "SUBSCRIBE":
        return _accept(None, streams | dict.fromkeys(names), number)
    return _accept(None, {name: None for name in streams if name not in names}, number)


def _valid_id(number: object) -> bool:
    if isinstance(number, bool):
        return False
    if isinstance(number, str):
        return _TEXT_ID.fullmatch(number) is not None
    return number is None or (isinstance(number, int) and -(2**63) <= number < 2**63)


def _accept(result: list[str] | None, streams: dict[str, None], number: Any) -> Answer:
    return Answer(json.dumps({"result": result, "id": number}, separators=(",", ":")), streams)


def _refuse(code: int, text: str, streams: dict[str, None], *number: Any) -> Answer:
    error: dict[str, Any] = {"error": {"code": code, "msg": text}}
    if number:
        error["id"] = number[0]
    return Answer(json.dumps(error, separators=(",", ":")), streams)
