"""What a preset is made of: series under their names, and signals made of them."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from autoscaler.engine.observation import (
    COMPLETED_REQUESTS,
    CPU_UTILIZATION,
    GATEWAY_REQUESTS,
    GENERATED_TOKENS,
    GPU_UTILIZATION,
    KV_CACHE_UTILIZATION,
    LATENCY_SIGNALS,
    PENDING_REQUESTS,
    PROMPT_TOKENS,
    QUEUE_DEPTH,
    REQUEST_RATE,
    STARTED_REQUESTS,
    TOKEN_RATE,
)
from autoscaler.signals.query import Across

if TYPE_CHECKING:
    from collections.abc import Mapping

GPU_MEMORY_UTILIZATION = "gpuMemoryUtilization"
"""Mean over the replicas, in percent. It tells what the server reserved at its start, and little of the load."""
GPU_POWER = "gpuPower"
"""Sum over the replicas' GPUs, in watts."""

UNITS: Mapping[str, str] = MappingProxyType(
    {
        PENDING_REQUESTS: "requests",
        QUEUE_DEPTH: "requests",
        COMPLETED_REQUESTS: "requests",
        STARTED_REQUESTS: "requests",
        PROMPT_TOKENS: "tokens",
        GENERATED_TOKENS: "tokens",
        GATEWAY_REQUESTS: "requests",
        REQUEST_RATE: "requests/s",
        TOKEN_RATE: "tokens/s",
        CPU_UTILIZATION: "percent",
        GPU_UTILIZATION: "percent",
        GPU_MEMORY_UTILIZATION: "percent",
        GPU_POWER: "watts",
        KV_CACHE_UTILIZATION: "percent",
        **dict.fromkeys(LATENCY_SIGNALS, "seconds"),
    }
)
"""The unit of each standard signal; other names have none of their own."""


class Kind(StrEnum):
    """What sort of Prometheus metric a series is."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


class Matcher(NamedTuple):
    """What a label must be, or must not be."""

    label: str
    value: str
    """A label that is not there is empty."""
    equal: bool = True

    def fits(self, labels: Mapping[str, str]) -> bool:
        """Return whether a series with these labels is meant."""
        return (labels.get(self.label, "") == self.value) is self.equal


class Metric(NamedTuple):
    """One name under which a series may be exported."""

    name: str
    """As in the text format; a histogram's without `_bucket`."""
    scale: float = 1.0
    """What the exported number is multiplied with to give the signal's unit."""
    highest: float | None = None
    """The physical limit of the exported number: what is above it or below zero is a blank reading, and is dropped."""
    where: tuple[Matcher, ...] = ()
    """Which of the name's series are meant; all without any."""


class Series(NamedTuple):
    """One measured thing of a backend, under its newest and its older names."""

    kind: Kind
    metrics: tuple[Metric, ...]
    """The first name that exists is taken, never the sum: servers emit old and new names side by side."""
    within: Across = Across.SUM
    """How the series of one pod combine: several engines, ranks, models or GPUs."""
    absent_when_idle: bool = False
    """The series is only there once it was used: its absence is 0 if the pod was seen, and unknown otherwise."""
    apart: tuple[str, ...] = ()
    """Of a gauge: series of one pod that agree in these labels show the same thing, and the largest counts once."""
    needs: str = ""
    """What must be switched on for it, beyond what the preset needs; for a person."""

    @property
    def bound_scale(self) -> float:
        """What the bounds of a histogram are multiplied with; its names all have the same unit."""
        return self.metrics[0].scale


class Form(StrEnum):
    """What is read from a series."""

    VALUE = "value"
    """A gauge, or a counter as it stands."""
    RATE = "rate"
    """A counter's increase per second."""
    BUCKETS = "buckets"
    """A histogram's cumulative buckets, each as observations per second."""


class Term(NamedTuple):
    """One reading that a signal is made of."""

    series: str
    """A key of `Preset.series`."""
    form: Form


class Formula(NamedTuple):
    """How a signal is made: its terms are added within a pod, and the pods combined across the target."""

    terms: tuple[Term, ...]
    across: Across = Across.SUM
    over: tuple[Term, ...] = ()
    """Within a pod, the sum of the terms is divided by the sum of these; by nothing without any."""

    @property
    def read(self) -> tuple[Term, ...]:
        """All that must be read, each term once."""
        return tuple(dict.fromkeys((*self.terms, *self.over)))


class Evidence(StrEnum):
    """What proves that a pod was sampled."""

    SERIES = "series"
    """A series that is always there."""
    SCRAPE = "scrape"
    """The scrape itself (`up`), because an idle pod may show no series at all."""
    GPU = "gpu"
    """The GPU exporter on the pod's node: its series name the pod that uses the GPU, and lose the name when idle."""
    NODE = "node"
    """A series that another exporter shows for every pod, as cAdvisor does."""

    @property
    def foreign(self) -> bool:
        """Whether another pod shows the series, whose own labels may have taken the place of the pod's."""
        return self in (Evidence.GPU, Evidence.NODE)


class Preset(NamedTuple):
    """One backend's metrics and signals."""

    name: str
    series: Mapping[str, Series]
    signals: Mapping[str, Formula]
    evidence: Evidence
    evidence_names: tuple[str, ...] = ()
    """Metrics that are always there, but for `scrape`; the first that exists is taken."""
    port: int = 0
    """Where the metrics are served unless the target says otherwise."""
    path: str = "/metrics"
    since: str = ""
    """Which versions show these names, for a person."""
    needs: str = ""
    """What must be switched on for any of them, for a person."""

    @property
    def probe(self) -> tuple[str, ...]:
        """Names of which one is there wherever this is scraped."""
        series = next(iter(self.series.values()))
        return self.evidence_names or tuple(metric.name for metric in series.metrics)


def gauge(*names: str | Metric, **more: Any) -> Series:  # noqa: ANN401 - as `Series` has them
    """Return a gauge by its names, the newest first."""
    return Series(Kind.GAUGE, _metrics(names), **more)


def counter(*names: str | Metric, **more: Any) -> Series:  # noqa: ANN401 - as `Series` has them
    """Return a counter by its names, the newest first."""
    return Series(Kind.COUNTER, _metrics(names), **more)


def histogram(*names: str | Metric, **more: Any) -> Series:  # noqa: ANN401 - as `Series` has them
    """Return a histogram by its names without `_bucket`, the newest first."""
    return Series(Kind.HISTOGRAM, _metrics(names), **more)


def share(name: str, *where: Matcher) -> Metric:
    """Return a ratio of 0 to 1, read as percent."""
    return Metric(name, 100.0, 1.0, where)


def value(*series: str, across: Across = Across.SUM, over: tuple[str, ...] = ()) -> Formula:
    """Return the sum of gauges, or of counters as they stand."""
    return Formula(_terms(series, Form.VALUE), across, _terms(over, Form.VALUE))


def rate(*series: str) -> Formula:
    """Return the sum of increases per second."""
    return Formula(_terms(series, Form.RATE))


def quantile(series: str) -> Formula:
    """Return a quantile of a histogram."""
    return Formula(_terms((series,), Form.BUCKETS))


def _metrics(names: tuple[str | Metric, ...]) -> tuple[Metric, ...]:
    return tuple(Metric(name) if isinstance(name, str) else name for name in names)


def _terms(series: tuple[str, ...], form: Form) -> tuple[Term, ...]:
    return tuple(Term(name, form) for name in series)
