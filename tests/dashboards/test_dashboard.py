import json
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Dashboard

from collector.monitoring.view import Snapshot
from tests.dashboards.series import exported, judge, series
from tests.promtool import promtool
from tests.supervision.made import GIB, SECOND_US, archiver, known_everywhere, reports, status, told_everywhere, writer

FILE = Path(__file__).resolve().parents[2] / "docs/dashboards/recorder.json"
BOARD: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
COLUMNS = 24
ALL = ".*"
"""What Grafana fills in for a variable that stands for all of its values."""


def panels() -> list[dict[str, Any]]:
    return [panel for panel in BOARD["panels"] if panel["type"] != "row"]


def expressions() -> Iterator[tuple[str, str]]:
    """A name for each, and the expression with what Grafana fills in."""
    for panel in panels():
        for target in panel["targets"]:
            expr = target["expr"].replace("$__rate_interval", "5m")
            expr = re.sub(r"\$(\w+)", ALL, expr)
            yield f"panel:{panel['id']}:{target['refId']}", expr


def troubled_view() -> Snapshot:
    """Of a recorder with everything to tell: a reason holds, the disk fills."""
    board, offsets = status(), {"binance": -SECOND_US}
    for secs in range(0, 200, 10):
        view = board.look(
            {**told_everywhere(), **reports(writer(clock_offsets_us=offsets), archiver(in_quarantine=1))},
            known_everywhere(uptime_secs=float(secs), disk_free_bytes=2 * GIB - secs * (1 << 20)),
        )
    return view


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every expression as a rule that records it."""
    path = tmp_path_factory.mktemp("rules") / "rules.yml"
    written = [{"record": name, "expr": expr} for name, expr in expressions()]
    path.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": written}]}), "utf-8")
    return path


def test_grafanas_own_model_round_trips_the_dashboard() -> None:
    register_default_plugins()
    assert json.loads(JSONEncoder().encode(Dashboard.from_json(BOARD))) == BOARD


def test_panels_neither_overlap_nor_leave_the_grid() -> None:
    places = [panel["gridPos"] for panel in BOARD["panels"]]
    for place in places:
        assert 0 <= place["x"] < place["x"] + place["w"] <= COLUMNS
        assert place["h"] > 0
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above, (one, other)


def test_panels_fill_every_row_of_the_grid() -> None:
    area = sum(panel["gridPos"]["w"] * panel["gridPos"]["h"] for panel in BOARD["panels"])
    assert area == COLUMNS * max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in BOARD["panels"])


def test_every_panel_says_what_it_shows() -> None:
    known_units = {value for value in vars(units).values() if isinstance(value, str)}
    ids = [panel["id"] for panel in BOARD["panels"]]
    titles = [panel["title"] for panel in BOARD["panels"]]
    assert len(set(ids)) == len(ids)
    assert len(set(titles)) == len(titles)
    for panel in panels():
        assert re.fullmatch(r"[A-Z].{2,40}", panel["title"])
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in known_units, panel["title"]
        assert panel["targets"], panel["title"]
        assert all(target["legendFormat"] for target in panel["targets"]), panel["title"]


def test_every_dashboard_variable_is_declared_and_used() -> None:
    declared = {variable["name"] for variable in BOARD["templating"]["list"]}
    used = {
        name for panel in panels() for target in panel["targets"] for name in re.findall(r"\$(\w+)", target["expr"])
    }
    assert used - {"__rate_interval"} == declared - {"datasource"}
    assert {panel["datasource"]["uid"] for panel in panels()} == {"${datasource}"}
    assert "__inputs" not in BOARD


def test_every_label_a_legend_names_is_one_its_expression_keeps() -> None:
    for panel in panels():
        for target in panel["targets"]:
            for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
                kept = re.findall(r"by \(([^)]*)\)", target["expr"])
                assert not kept or any(label in by.split(", ") for by in kept), (panel["title"], label)


def test_every_metric_shown_is_exported() -> None:
    names = {name for name, _, _ in exported(troubled_view())}
    text = json.dumps(BOARD)
    assert set(re.findall(r"\bcollector_[a-z_]+", text)) - names == set()


def test_promtool_finds_no_fault_with_any_expression(rules: Path) -> None:
    code, said = promtool("check", "rules", str(rules))
    assert code == 0, said


def test_every_panel_shows_data_for_a_recorders_metrics(rules: Path, tmp_path: Path) -> None:
    checks = [
        {"expr": f"count({name}) > bool 0", "eval_time": "2h", "exp_samples": [{"labels": "{}", "value": 1}]}
        for name, _ in expressions()
    ]
    said = judge(tmp_path, rules, series(troubled_view()), [{"promql_expr_test": checks}])
    assert "SUCCESS" in said, said
