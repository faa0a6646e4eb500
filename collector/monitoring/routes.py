"""The pages the HTTP server answers with, each made at most once from each snapshot, however many clients ask."""

import threading
from collections.abc import Callable, Mapping
from functools import cache, partial
from http import HTTPStatus
from typing import Final

from collector.domain.names import iso_time
from collector.http.response import Page, Response, as_json
from collector.monitoring import status_json
from collector.monitoring.status_page import status_page
from collector.monitoring.view import Snapshot

STANDING_SECS: Final = 15.0
"""A snapshot is made about once a second; if there was none for this long the supervisor itself hangs."""

WITHOUT_TOKEN: Final = frozenset({"/"})
"""Pages served without the token: `/` holds no data and is where a person enters it."""

PAGE_WINDOWS: Final = {"/page-1h.json": 3600, "/page.json": 24 * 3600, "/page-7d.json": 7 * 24 * 3600}
"""The page's data by the time that its coverage strips reach back, in seconds."""

Age = Callable[[], float]
"""Seconds since the newest snapshot was made."""


def pages(newest: Callable[[], Snapshot], age_secs: Age) -> Mapping[str, Page]:
    """Every page by its path."""

    def honest() -> Snapshot:
        view, age = newest(), age_secs()
        return view if age < STANDING_SECS else _standing(view, age)

    return {
        "/": cache(status_page),
        "/metrics": _Made(honest, _metrics),
        "/healthz": _Made(honest, _healthz),
        "/readyz": _Made(honest, _readyz),
        "/status": _Made(honest, lambda view: as_json(status_json.status(view))),
        **{path: _Made(honest, partial(_page_data, secs)) for path, secs in PAGE_WINDOWS.items()},
    }


def is_well(view: Snapshot | None, age_secs: float) -> bool:
    """Whether the recorder is healthy, has stored something since its start, and its supervisor does not hang.

    Without the second condition a recorder that fails again and again before it stores anything would count as healthy.
    """
    return view is not None and view.ready and not view.reasons and age_secs < STANDING_SECS


class _Made:
    """A page that is made once from each snapshot; a client that asks meanwhile waits for it."""

    def __init__(self, newest: Callable[[], Snapshot], make: Callable[[Snapshot], Response]) -> None:
        self._newest = newest
        self._make = make
        self._lock = threading.Lock()
        self._of: Snapshot | None = None
        self._answer = Response(b"")

    def __call__(self) -> Response:
        view = self._newest()
        with self._lock:
            if self._of is not view:
                self._answer, self._of = self._make(view), view
            return self._answer


def _standing(view: Snapshot, age_secs: float) -> Snapshot:
    """The last snapshot, with the supervisor's hang as the first reason of ill health."""
    text = f"the supervisor has not looked after its processes for {age_secs:.0f} s"
    reason = {"code": "child_failing", "text": text, "since": iso_time(view.known.now_us)}
    return view._replace(headline="The supervisor stands still", reasons=[reason, *view.reasons])


def _healthz(view: Snapshot) -> Response:
    return as_json(status_json.healthz(view), HTTPStatus.SERVICE_UNAVAILABLE if view.reasons else HTTPStatus.OK)


def _readyz(view: Snapshot) -> Response:
    return as_json({"ready": view.ready}, HTTPStatus.OK if view.ready else HTTPStatus.SERVICE_UNAVAILABLE)


def _page_data(window_secs: int, view: Snapshot) -> Response:
    return as_json(status_json.page(view, window_secs))


def _metrics(view: Snapshot) -> Response:
    # Imported on first use: a recorder that nobody asks for metrics does not load the library.
    from collector.monitoring.exposition import CONTENT_TYPE, exposition  # noqa: PLC0415

    return Response(exposition(view), CONTENT_TYPE)
