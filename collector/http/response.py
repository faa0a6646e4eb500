"""Responses, and the pages that make them."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import msgspec

JSON_TYPE: Final = "application/json; charset=utf-8"


class Response(NamedTuple):
    """An HTTP response."""

    content: bytes
    content_type: str = JSON_TYPE
    code: HTTPStatus = HTTPStatus.OK
    headers: Mapping[str, str] = {}


Page = Callable[[], Response]
"""Makes a response; called in a thread of the server."""


def as_json(body: Any, code: HTTPStatus = HTTPStatus.OK) -> Response:
    """A response with an object as JSON."""
    return Response(msgspec.json.encode(body) + b"\n", code=code)


def refused(code: HTTPStatus, headers: Mapping[str, str] | None = None) -> Response:
    """A response that says, as JSON, only what its status code means."""
    return as_json({"error": code.phrase.lower()}, code)._replace(headers=headers or {})
