import base64
import hashlib
import re
from http import HTTPStatus
from urllib.request import urlopen

import pytest

from collector.monitoring import status_json
from collector.monitoring.health import RULES
from collector.monitoring.routes import WITHOUT_TOKEN
from collector.monitoring.status_page import status_page
from tests.monitoring.showing import Shown, serving
from tests.supervision.made import NOW_US, archiver, ingest, known, reports, status, stream, writer

PAGE = status_page()
TEXT = PAGE.content.decode()
POLICY = {
    name: values
    for name, *values in (part.split() for part in PAGE.headers["Content-Security-Policy"].split("; "))
}  # fmt: skip


def sha256(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_only_the_page_s_own_script_and_style_are_allowed() -> None:
    (script,) = re.findall(r"<script>(.*?)</script>", TEXT, re.DOTALL)
    (style,) = re.findall(r"<style>(.*?)</style>", TEXT, re.DOTALL)
    assert POLICY["script-src"] == [sha256(script)]
    assert POLICY["style-src"] == [sha256(style)]
    assert (
        POLICY["default-src"] == POLICY["frame-ancestors"] == POLICY["base-uri"] == POLICY["form-action"] == ["'none'"]
    )
    assert POLICY["connect-src"] == ["'self'"]


def test_the_page_loads_nothing_and_obeys_its_policy() -> None:
    addresses = re.findall(r"(?:src|href)\s*=\s*[\"']?([^\"'\s>]+)", TEXT)
    assert {address for address in addresses if not address.startswith(("#", "data:"))} == {
        "status",
        "healthz",
        "metrics",
    }
    assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)", TEXT) == []
    assert re.findall(r"\sstyle=|\son\w+=|@import|url\((?!#)", TEXT) == []


def test_no_text_becomes_markup() -> None:
    assert (
        re.findall(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|parseFromString", TEXT
        )
        == []
    )


def test_the_page_is_the_same_for_everybody() -> None:
    assert status_page() == PAGE
    assert {"/"} == WITHOUT_TOKEN


def test_the_page_is_served_with_its_protecting_headers() -> None:
    view = status().look(reports(ingest(), writer(), archiver()), known())
    with serving(view) as served, urlopen(served.url) as answer:
        assert answer.status == HTTPStatus.OK
        assert answer.read() == PAGE.content
        headers = dict(answer.headers)
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Content-Security-Policy"] == PAGE.headers["Content-Security-Policy"]


def test_the_page_data_are_the_status_and_the_coverage() -> None:
    view = status().look(reports(ingest(), writer(), archiver()), known())
    page = status_json.page(view)
    assert {key: page[key] for key in ("healthy", "reasons", "flow", "archive")} == {
        key: status_json.status(view)[key] for key in ("healthy", "reasons", "flow", "archive")
    }
    ((*key, messages, gaps, received_ms, durable_ms, silent, limit_secs, proves, saved, first, runs),) = page["streams"]
    assert (key, messages, gaps, silent, proves) == (["binance", "BTCUSDT", "trade"], 7, 1, 0, 1)
    assert received_ms - durable_ms == 1_000
    assert limit_secs == view.limit_secs(view.configured[0])
    assert (saved, first, runs) == (None, (), "r1")


def test_a_stream_that_brought_nothing_yet_is_there_too() -> None:
    silent = stream(last_received_us=None, last_durable_us=None)
    page = status_json.page(status().look(reports(writer(streams=[silent])), known()))
    assert page["streams"][0][5:7] == [None, None]
    assert page["streams"][0][-1] == ".1"


@pytest.mark.parametrize(
    ("known_hours", "window_secs", "cells", "is_since_start"),
    [(0.5, 3_600, 7, True), (2.0, 3_600, 12, False), (30.0, 86_400, 288, False), (30.0, 7 * 86_400, 361, True)],
)
def test_the_strips_reach_back_as_far_as_asked_or_to_the_first_start(
    known_hours: float, window_secs: int, cells: int, is_since_start: bool
) -> None:
    data = status_json.page(Shown(["BTCUSDT"], ["trade"], known_hours).look(), window_secs)
    coverage = data["coverage"]
    assert (coverage["cells"], coverage["is_since_start"]) == (cells, is_since_start)
    assert data["streams"][0][-1] == f"r{cells}"


def test_the_first_strip_begins_when_the_recorder_started() -> None:
    view = status().look(reports(ingest(), writer(), archiver()), known(uptime_secs=70.0))
    coverage = status_json.page(view)["coverage"]
    assert (coverage["cells"], coverage["since_ms"]) == (1, NOW_US // 1_000 - 70_000)


def luminance(colour: str) -> float:
    """Source: WCAG 2.2, relative luminance."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", [":root {", ':root[data-theme="dark"] {'])
def test_words_stand_out_from_the_ground_in_both_themes(theme: str) -> None:
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", TEXT.split(theme)[1].split("}")[0]))
    for ink in ("ink", "muted", "gap", "now", "accent"):
        for ground in ("ground", "card"):
            darker, lighter = sorted((luminance(colours[ink]), luminance(colours[ground])))
            assert (lighter + 0.05) / (darker + 0.05) >= 4.5, (ink, ground)


def test_the_page_holds_what_each_reason_means_and_what_to_do() -> None:
    rows = re.findall(r'<div id="reason-(\w+)".*?<dd>(.*?)</dd><dd class="remedy">(.*?)</dd>', TEXT)
    assert [code for code, _, _ in rows] == [*RULES]
    assert all(meaning.endswith(".") and remedy.endswith(".") for _, meaning, remedy in rows)
    assert "{{" not in TEXT


@pytest.mark.parametrize("theme", [":root {", ':root[data-theme="dark"] {'])
def test_marks_stand_out_from_the_ground_in_both_themes(theme: str) -> None:
    """Source: WCAG 2.2, non-text contrast."""
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", TEXT.split(theme)[1].split("}")[0]))
    for mark in ("recorded", "unverifiable", "gap", "now", "repaired", "warn"):
        darker, lighter = sorted((luminance(colours[mark]), luminance(colours["card"])))
        assert (lighter + 0.05) / (darker + 0.05) >= 3.0, mark
