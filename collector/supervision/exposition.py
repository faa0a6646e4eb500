"""The view as Prometheus reads it: https://prometheus.io/docs/instrumenting/exposition_formats/."""

from collections.abc import Iterator
from typing import Any, Final, cast

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from collector.supervision.metrics_table import METRICS
from collector.supervision.samples import histograms, values
from collector.supervision.view import View

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

Family = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily


def exposition(view: View) -> bytes:
    """Every metric in the text format."""
    return generate_latest(cast(CollectorRegistry, _Collector(view)))


class _Collector(Collector):
    """What prometheus-client asks for metrics; it keeps none, the view has them."""

    def __init__(self, view: View) -> None:
        self._view = view

    def collect(self) -> Iterator[Family]:
        families: dict[str, Any] = {name: _family(name) for name in METRICS}
        for name, labels, value in values(self._view):
            families[name].add_metric(labels, value)
        for name, labels, buckets in histograms(self._view):
            cast(HistogramMetricFamily, families[name]).add_metric(labels, buckets.cumulative, buckets.sum_secs)
        yield from families.values()


def _family(name: str) -> Family:
    kind, labels, text = METRICS[name]
    if kind == "counter":
        return CounterMetricFamily(name, text, labels=labels)
    if kind == "gauge":
        return GaugeMetricFamily(name, text, labels=labels)
    return HistogramMetricFamily(name, text, labels=labels)
