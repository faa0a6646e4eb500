"""Writes recorder.json, a dashboard Grafana imports, from the rows in flow.py and state.py.

.venv/bin/python -m docs.dashboards.build
"""

import json
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from string import ascii_uppercase
from typing import Any, Final

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    heatmap,
    prometheus,
    stat,
    statetimeline,
    timeseries,
)
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import (
    BarGaugeDisplayMode,
    BigValueColorMode,
    BigValueGraphMode,
    BigValueTextMode,
    GraphDrawStyle,
    GraphTresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    ScaleDistribution,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataSourceRef,
    FieldColorModeId,
    GridPos,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
    VariableOption,
    VariableRefresh,
    VariableSort,
)
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from docs.dashboards.flow import KEEPING_UP, LATENCY, RECORDING, THROUGHPUT
from docs.dashboards.state import ARCHIVE, GAPS, MACHINE, PROCESSES, REPAIR
from docs.dashboards.terms import FULL, Panel

FILE: Final = Path(__file__).with_name("recorder.json")
ROWS: Final = (RECORDING, THROUGHPUT, LATENCY, KEEPING_UP, GAPS, REPAIR, ARCHIVE, PROCESSES, MACHINE)
SOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")
BUILD: Final = "collector_build_info"
LIMIT: Final = "collector_stream_silence_limit_seconds"
ALL: Final = ".*"

_TALL, _LOW = 8, 4
_SMALL = {"number", "names", "verdict"}

Builder = Any
"""The kinds of panels share their methods, but no type that says so."""


def text() -> str:
    """The dashboard as JSON, the same for the same rows."""
    built = json.loads(JSONEncoder(sort_keys=True).encode(_dashboard().build()))
    return json.dumps(built, indent=2, sort_keys=True) + "\n"


def _dashboard() -> dashboard.Dashboard:
    board = (
        dashboard.Dashboard("Market data collector")
        .uid("market-data-collector")
        .description("Is it recording, is it keeping up, what is wrong.")
        .tags(["market-data-collector"])
        .timezone("utc")
        .time("now-6h", "now")
        .refresh("30s")
        .tooltip(DashboardCursorSync.CROSSHAIR)
    )
    for variable in _variables():
        board.with_variable(variable)
    ids, top = count(1), 0
    for row in ROWS:
        board.with_row(dashboard.Row(row.title).id(next(ids)).grid_pos(GridPos(h=1, w=FULL, x=0, y=top)))
        top += 1
        for line in _lines(row.panels):
            left, height = 0, _LOW if line[0].kind in _SMALL else _TALL
            for panel in line:
                place = GridPos(h=height, w=panel.width, x=left, y=top)
                board.with_panel(_built(panel).id(next(ids)).grid_pos(place))
                left += panel.width
            top += height
    return board


def _lines(panels: tuple[Panel, ...]) -> Iterator[list[Panel]]:
    """The panels of a row, as many to a line as fill it."""
    line: list[Panel] = []
    for panel in panels:
        line.append(panel)
        if sum(one.width for one in line) >= FULL:
            yield line
            line = []
    if line:
        yield line


def _variables() -> Iterator[Builder]:
    yield dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")
    chosen: list[str] = []
    for name, label, metric in (
        ("job", "Job", BUILD),
        ("instance", "Recorder", BUILD),
        ("exchange", "Exchange", LIMIT),
        ("data_type", "Data type", LIMIT),
        ("symbol", "Symbol", LIMIT),
    ):
        query = f"label_values({metric}{{{','.join(chosen)}}}, {name})"
        yield (
            dashboard.QueryVariable(name)
            .label(label)
            .datasource(SOURCE)
            .query({"query": query, "refId": name})
            .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
            .sort(VariableSort.ALPHABETICAL_ASC)
            .multi(True)
            .include_all(True)
            .all_value(ALL)
            .current(VariableOption(text=["All"], value=["$__all"]))
        )
        chosen.append(f'{name}=~"${name}"')


def _built(panel: Panel) -> Builder:
    made: Builder = _KINDS[panel.kind](panel)
    made.title(panel.title).description(panel.text).datasource(SOURCE).unit(panel.unit)
    steps = [Threshold(value=value, color=colour) for value, colour in panel.steps]
    made.thresholds(dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
    for ref_id, query in zip(ascii_uppercase, panel.queries, strict=False):
        target = prometheus.Dataquery().ref_id(ref_id).expr(query.expr).legend_format(query.legend or panel.title)
        if panel.kind == "heat":
            target.format(PromQueryFormat.HEATMAP)
        made.with_target(target.instant() if panel.kind in {*_SMALL, "ranking"} else target.range())
    return made


def _series(panel: Panel) -> Builder:
    made = (
        timeseries.Panel()
        .fill_opacity(10)
        .show_points(VisibilityMode.NEVER)
        .legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING))
    )
    if len(panel.steps) > 1:
        made.thresholds_style(common.GraphThresholdsStyleConfig().mode(GraphTresholdsStyleMode.DASHED))
    return made if panel.least is None else made.min(panel.least)


def _bars(panel: Panel) -> Builder:
    stacked = common.StackingConfig().mode(StackingMode.NORMAL)
    return _series(panel).draw_style(GraphDrawStyle.BARS).fill_opacity(80).stacking(stacked).no_value("none")


def _newest() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"])


def _number(_: Panel) -> Builder:
    made = stat.Panel().reduce_options(_newest())
    return made.graph_mode(BigValueGraphMode.NONE).color_mode(BigValueColorMode.BACKGROUND)


def _names(panel: Panel) -> Builder:
    words = {"1": ValueMappingResult("holds", "red")}
    return _number(panel).mappings([ValueMap(words)]).no_value("nothing").text_mode(BigValueTextMode.VALUE_AND_NAME)


def _verdict(panel: Panel) -> Builder:
    words = {"0": ValueMappingResult("not well", "red"), "1": ValueMappingResult("well", "green")}
    return _number(panel).mappings([ValueMap(words)]).no_value("no answer").text_mode(BigValueTextMode.VALUE_AND_NAME)


def _states(_: Panel) -> Builder:
    words = {"0": ValueMappingResult("no", "green"), "1": ValueMappingResult("yes", "red")}
    return (
        statetimeline.Panel()
        .show_value(VisibilityMode.NEVER)
        .merge_values(True)
        .fill_opacity(70)
        .line_width(0)
        .mappings([ValueMap(words)])
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.THRESHOLDS))
    )


def _heat(panel: Panel) -> Builder:
    colours = heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Oranges").exponent(0.5).steps(64)
    return (
        heatmap.Panel()
        .calculate(False)
        .color(colours)
        .y_axis(heatmap.YAxisConfig().unit(panel.unit))
        .show_tooltip()
        .scale_distribution(common.ScaleDistributionConfig().type(ScaleDistribution.LINEAR))
    )


def _ranking(_: Panel) -> Builder:
    return (
        bargauge.Panel()
        .reduce_options(_newest())
        .display_mode(BarGaugeDisplayMode.GRADIENT)
        .orientation(VizOrientation.HORIZONTAL)
        .min(0)
        .max(1)
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.THRESHOLDS))
    )


_KINDS: Final[dict[str, Callable[[Panel], Builder]]] = {
    "lines": _series,
    "bars": _bars,
    "number": _number,
    "names": _names,
    "verdict": _verdict,
    "states": _states,
    "heat": _heat,
    "ranking": _ranking,
}

if __name__ == "__main__":
    FILE.write_text(text(), "utf-8")
