"""The recorder's own exposition as input for `promtool test rules`, so that rules and panels meet what is really exported."""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from collector.monitoring.exposition import exposition
from collector.monitoring.view import Snapshot
from tests.promtool import promtool
from tests.supervision.made import NOW_US

TARGET: Mapping[str, str] = {"job": "market-data-collector", "instance": "box:9464"}
STEPS = 180
"""Minutes."""


def exported(view: Snapshot) -> Iterator[tuple[str, Mapping[str, str], float]]:
    """Every sample: its name, as Prometheus stores it, labels and value."""
    for family in text_string_to_metric_families(exposition(view).decode()):
        for sample in family.samples:
            yield sample.name, sample.labels, sample.value


def series(view: Snapshot, rises: Callable[[str], bool] = lambda _: True) -> list[dict[str, str]]:
    """Each sample as a series of STEPS minutes: counters that do rise, times go along with the clock, the rest stays."""
    found = [{"series": _named("up", TARGET), "values": f"1x{STEPS}"}]
    found += [
        {"series": _named(name, {**labels, **TARGET}), "values": _values(name, value, 1 if rises(name) else 0)}
        for name, labels, value in exported(view)
    ]
    return found


def _named(name: str, labels: Mapping[str, str]) -> str:
    return f"{name}{{{','.join(f'{key}={json.dumps(value)}' for key, value in labels.items())}}}"


def _values(name: str, value: float, step: int) -> str:
    if name.endswith("_timestamp_seconds"):
        # Tests of rules begin at 1970; what lay so far back then does so all the time.
        return f"{value - NOW_US / 1e6:f}+60x{STEPS}" if name != "collector_start_timestamp_seconds" else f"0x{STEPS}"
    if name.endswith(("_total", "_bucket", "_count", "_sum")):
        return f"{value:f}+{step}x{STEPS}"
    return f"{value if math.isfinite(value) else 1e9:f}x{STEPS}"


def judge(
    folder: Path, rules: Path, input_series: Sequence[Mapping[str, str]], checks: Iterable[Mapping[str, Any]]
) -> str:
    """What promtool says to these checks; nothing but SUCCESS if they hold. `checks` are parts of one of its tests."""
    test: dict[str, Any] = {"interval": "1m", "input_series": list(input_series)}
    for check in checks:
        test.update(check)
    path = folder / "test.yml"
    # What is JSON is YAML too.
    path.write_text(json.dumps({"rule_files": [str(rules)], "evaluation_interval": "1m", "tests": [test]}), "utf-8")
    return promtool("test", "rules", str(path))[1]
