import json
import threading
from http import HTTPStatus

import pytest

from collector.monitoring import status_json
from collector.monitoring.routes import STANDING_SECS, is_well, pages
from collector.monitoring.view import Snapshot
from tests.supervision.made import SECOND_US, archiver, ingest, known, reports, status, stream, writer


class Site:
    """Pages of a view that a test may change."""

    def __init__(self, view: Snapshot) -> None:
        self.view = view
        self.age_secs = 0.0
        self.pages = pages(lambda: self.view, lambda: self.age_secs)

    def ask(self, path: str) -> tuple[int, object]:
        answer = self.pages[path]()
        return answer.code, json.loads(answer.content)


WELL = status().look(reports(ingest(), writer(), archiver()), known())
ILL = status().look(reports(writer(clock_offsets_us={"binance": -SECOND_US})), known())
NEW = status().look(reports(writer(streams=[stream(last_durable_us=None)])), known())


def test_healthz_answers_200_or_503_with_the_reasons() -> None:
    assert Site(WELL).ask("/healthz") == (
        HTTPStatus.OK,
        {"healthy": True, "headline": "Recording", "reasons": []},
    )
    assert Site(ILL).ask("/healthz") == (
        HTTPStatus.SERVICE_UNAVAILABLE,
        {"healthy": False, "headline": ILL.headline, "reasons": ILL.reasons},
    )


def test_a_supervisor_that_stands_still_is_unhealthy() -> None:
    site = Site(WELL)
    site.age_secs = STANDING_SECS
    code, body = site.ask("/healthz")
    assert code == HTTPStatus.SERVICE_UNAVAILABLE
    assert body == {
        "healthy": False,
        "headline": "The supervisor stands still",
        "reasons": [
            {
                "code": "child_failing",
                "text": "the supervisor has not looked after its processes for 15 s",
                "since": "2026-11-18T11:06:40.000000Z",
            }
        ],
    }


def test_readyz_says_200_from_the_first_durable_row_on() -> None:
    assert Site(NEW).ask("/readyz") == (HTTPStatus.SERVICE_UNAVAILABLE, {"ready": False})
    assert Site(WELL).ask("/readyz") == (HTTPStatus.OK, {"ready": True})


def test_status_is_served_also_when_it_is_not_healthy() -> None:
    code, body = Site(ILL).ask("/status")
    assert code == HTTPStatus.OK
    assert isinstance(body, dict)
    assert body["reasons"] == ILL.reasons


def test_metrics_are_text_in_the_version_prometheus_reads() -> None:
    answer = Site(WELL).pages["/metrics"]()
    assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert b"\ncollector_healthy 1.0\n" in answer.content


def test_a_view_is_made_into_a_page_once_however_many_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def count(view: Snapshot) -> dict[str, str]:
        made.append(view.run_id)
        return {"run_id": view.run_id}

    monkeypatch.setattr(status_json, "status", count)
    site = Site(WELL)
    askers = [threading.Thread(target=site.ask, args=("/status",)) for _ in range(20)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert len(made) == 1
    site.view = ILL
    site.ask("/status")
    assert len(made) == 2


@pytest.mark.parametrize(
    ("view", "age_secs", "well"),
    [(WELL, 1.0, True), (WELL, STANDING_SECS, False), (ILL, 1.0, False), (NEW, 1.0, False), (None, 0.0, False)],
)
def test_all_is_well_while_it_records_is_healthy_and_somebody_looks(
    view: Snapshot | None, age_secs: float, well: bool
) -> None:
    assert is_well(view, age_secs) is well
