"""What a page answers."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import msgspec

JSON_TYPE: Final = "application/json; charset=utf-8"


class Response(NamedTuple):
    """What a page says."""

    content: bytes
    content_type: str = JSON_TYPE
    code: HTTPStatus = HTTPStatus.OK
    headers: Mapping[str, str] = {}


Page = Callable[[], Response]
"""Makes an answer; called in a thread of the server's."""


def as_json(body: Any, code: HTTPStatus = HTTPStatus.OK) -> Response:
    """Answer with an object."""
    return Response(msgspec.json.encode(body) + b"\n", code=code)


def refused(code: HTTPStatus, headers: Mapping[str, str] | None = None) -> Response:
    return as_json({"error": code.phrase.lower()}, code)._replace(headers=headers or {})
