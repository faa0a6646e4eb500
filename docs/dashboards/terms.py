"""The words the dashboard's rows are written in: panels, and the expressions they share."""

from typing import Final, Literal, NamedTuple

Colour = Literal["green", "yellow", "red"]
Steps = tuple[tuple[float | None, Colour], ...]
"""From which value on which colour; the first has none."""

NARROW, WIDE, FULL = 8, 12, 24


class Query(NamedTuple):
    """An expression, and what its series are called."""

    expr: str
    legend: str = ""


class Panel(NamedTuple):
    """One panel; `unit` as Grafana names it, `width` of 24 columns."""

    title: str
    text: str
    queries: tuple[Query, ...]
    unit: str = "short"
    kind: Literal["lines", "bars", "number", "names", "verdict", "states", "heat", "ranking"] = "lines"
    width: int = NARROW
    steps: Steps = ((None, "green"),)
    least: float | None = 0


class Row(NamedTuple):
    """A heading and what stands below it."""

    title: str
    panels: tuple[Panel, ...]


def host(*matchers: str) -> str:
    """Selects the series of the chosen recorders."""
    return "{" + ",".join(('job=~"$job"', 'instance=~"$instance"', *matchers)) + "}"


def stream(*matchers: str) -> str:
    """Selects the series of the chosen streams."""
    chosen = (f'{name}=~"${name}"' for name in ("exchange", "data_type", "symbol"))
    return host(*chosen, *matchers)


def per_second(metric: str, by: str, selector: str) -> str:
    """How fast a counter rises, summed."""
    return f"sum by ({by}) (rate({metric}{selector}[$__rate_interval]))"


def risen(metric: str, by: str, selector: str) -> str:
    """By how much a counter rose in each step, summed; nothing where it did not."""
    return f"sum by ({by}) (increase({metric}{selector}[$__rate_interval])) > 0"


def percentiles(metric: str, by: str = "") -> tuple[Query, ...]:
    """The median, and what one in a hundred exceeds."""
    labels, legend = (f"{by}, le", f"{{{{{by}}}}} ") if by else ("le", "")
    return tuple(
        Query(f"histogram_quantile({share}, {per_second(f'{metric}_bucket', labels, host())})", f"{legend}{name}")
        for share, name in ((0.5, "median"), (0.99, "99 %"))
    )


SILENT: Final = (
    f"(time() - collector_stream_last_stored_timestamp_seconds{stream()}"
    f" > collector_stream_silence_limit_seconds{stream()})"
    f" or (collector_stream_silence_limit_seconds{stream()}"
    f" < on (job, instance) group_left () (time() - collector_start_timestamp_seconds{host()})"
    f" unless collector_stream_last_stored_timestamp_seconds{stream()})"
)
"""Streams without a durable row for longer than their limit, or since the start for so long."""

NONE_IS_WELL: Final[Steps] = ((None, "green"), (1, "red"))
