import re
from collections.abc import Iterator
from pathlib import Path

from collector.monitoring.metrics_table import METRICS
from collector.monitoring.view import Snapshot
from tests.dashboards.series import TARGET, exported, judge, series
from tests.promtool import promtool
from tests.supervision.made import known_everywhere, status, told_everywhere

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "docs/dashboards/alerts.yml"
CASES = ROOT / "docs/dashboards/alerts_test.yml"
RUNBOOKS = "## For the monitoring you already have\n"


def alerts() -> dict[str, str]:
    """The text of each alert, by name."""
    parts = re.split(r"^ +- alert: (\w+)\n", RULES.read_text("utf-8"), flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def cases() -> Iterator[tuple[str, bool]]:
    """Each case of each alert, and whether it is raised."""
    for case in re.split(r"^ +- alertname: ", CASES.read_text("utf-8"), flags=re.MULTILINE)[1:]:
        yield case.split("\n", 1)[0], "exp_alerts:" in case


def well_view() -> Snapshot:
    return status().look(told_everywhere(), known_everywhere())


def test_promtool_finds_no_fault_with_the_rules() -> None:
    code, said = promtool("check", "rules", str(RULES))
    assert code == 0, said


def test_every_alert_fires_in_its_cases_and_only_there() -> None:
    code, said = promtool("test", "rules", str(CASES))
    assert code == 0, said
    assert set(cases()) == {(alert, raised) for alert in alerts() for raised in (True, False)}


def test_a_healthy_recorder_raises_no_alert(tmp_path: Path) -> None:
    view = well_view()
    assert view.reasons == []
    moving = (
        "collector_messages_received",
        "collector_messages_stored",
        "collector_frames_received",
        "collector_uploads",
        "collector_repair_answers",
    )
    checks = [{"alertname": alert, "eval_time": "2h"} for alert in alerts()]
    said = judge(
        tmp_path, RULES, series(view, rises=lambda name: name.startswith(moving)), [{"alert_rule_test": checks}]
    )
    assert "SUCCESS" in said, said


def test_every_alert_has_a_delay_a_severity_and_a_remedy() -> None:
    for alert, text in alerts().items():
        assert re.search(r"^ +for: \d+[mh]$", text, flags=re.MULTILINE), alert
        assert re.search(r"^ +severity: (critical|warning)$", text, flags=re.MULTILINE), alert
        for annotation in ("summary", "description"):
            assert re.search(rf"^ +{annotation}: .{{20,}}\.'?$", text, flags=re.MULTILINE), (alert, annotation)


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    named = {alert: re.findall(r"runbook: docs/OPERATIONS\.md#(\S+)", text) for alert, text in alerts().items()}
    assert named == {alert: [alert.lower()] for alert in alerts()}
    section = (ROOT / "docs/OPERATIONS.md").read_text("utf-8").split(RUNBOOKS, 1)[1].split("\n## ", 1)[0]
    assert set(re.findall(r"^#### (Collector\w+)$", section, flags=re.MULTILINE)) == set(alerts())


def test_every_series_a_rule_asks_for_is_exported() -> None:
    found = [(name, set(labels.items())) for name, labels, _ in exported(well_view())]
    for name, matchers in re.findall(r"\b(collector_\w+)(?:\{([^}]*)\})?", RULES.read_text("utf-8")):
        wanted = set(re.findall(r'(\w+)="([^"]*)"', matchers))
        assert any(name == other and wanted <= labels for other, labels in found), (name, matchers)


def test_the_test_cases_use_series_with_exported_labels() -> None:
    for name, labels in re.findall(r"series: (collector_\w+)\{(.*)\}$", CASES.read_text("utf-8"), flags=re.MULTILINE):
        assert set(re.findall(r"(\w+)=", labels)) == {*METRICS[name].labels, *TARGET}, name


def test_the_documented_prometheus_configuration_is_valid(tmp_path: Path) -> None:
    (shown,) = re.findall(
        r"```yaml\n# prometheus.yml\n(.*?)```", (ROOT / "docs/OPERATIONS.md").read_text("utf-8"), re.DOTALL
    )
    path = tmp_path / "prometheus.yml"
    path.write_text(shown, "utf-8")
    code, said = promtool("check", "config", "--syntax-only", str(path))
    assert code == 0, said
    assert f"job_name: {TARGET['job']}\n" in shown
