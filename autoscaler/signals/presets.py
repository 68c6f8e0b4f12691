"""What each backend calls its metrics, and which signal they make up.

Sources: vllm-project/vllm `vllm/v1/metrics/loggers.py`; huggingface/text-generation-inference `router/src/server.rs`
and `backends/v3/src/`; NVIDIA/dcgm-exporter `etc/default-counters.csv`.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from autoscaler.engine.observation import (
    COMPLETED_REQUESTS,
    GATEWAY_REQUESTS,
    GPU_UTILIZATION,
    KV_CACHE_UTILIZATION,
    LATENCY_SIGNALS,
    PENDING_REQUESTS,
    QUEUE_DEPTH,
    REQUEST_RATE,
    TOKEN_RATE,
)
from autoscaler.signals.query import Across

if TYPE_CHECKING:
    from collections.abc import Mapping

UNITS: Mapping[str, str] = MappingProxyType(
    {
        PENDING_REQUESTS: "requests",
        QUEUE_DEPTH: "requests",
        COMPLETED_REQUESTS: "requests",
        GATEWAY_REQUESTS: "requests",
        REQUEST_RATE: "requests/s",
        TOKEN_RATE: "tokens/s",
        GPU_UTILIZATION: "percent",
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


class Metric(NamedTuple):
    """One name under which a series may be exported."""

    name: str
    """As in the text format; a histogram's without `_bucket`."""
    scale: float = 1.0
    """What the exported number is multiplied with to give the signal's unit."""
    highest: float | None = None
    """The physical limit of the exported number: what is above it or below zero is a blank reading, and is dropped."""


class Series(NamedTuple):
    """One measured thing of a backend, under its newest and its older names."""

    kind: Kind
    metrics: tuple[Metric, ...]
    """The first name that exists is taken, never the sum: servers emit old and new names side by side."""
    within: Across = Across.SUM
    """How the series of one pod combine: several engines, ranks, models or GPUs."""
    absent_when_idle: bool = False
    """The series is only there once it was used: its absence is 0 if the pod was seen, and unknown otherwise."""


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


class Evidence(StrEnum):
    """What proves that a pod was sampled."""

    SERIES = "series"
    """A series that is always there."""
    SCRAPE = "scrape"
    """The scrape itself (`up`), because an idle pod may show no series at all."""
    GPU = "gpu"
    """The GPU exporter on the pod's node: its series name the pod that uses the GPU, and lose the name when idle."""


class Preset(NamedTuple):
    """One backend's metrics and signals."""

    name: str
    series: Mapping[str, Series]
    signals: Mapping[str, Formula]
    evidence: Evidence
    evidence_names: tuple[str, ...] = ()
    """For `series` and `gpu`: metrics that are always there; the first that exists is taken."""
    port: int = 0
    """Where the metrics are served unless the target says otherwise."""
    path: str = "/metrics"


def _gauge(*names: str, absent_when_idle: bool = False) -> Series:
    return Series(Kind.GAUGE, tuple(map(Metric, names)), absent_when_idle=absent_when_idle)


def _counter(*names: str, absent_when_idle: bool = False) -> Series:
    return Series(Kind.COUNTER, tuple(map(Metric, names)), absent_when_idle=absent_when_idle)


def _histogram(name: str, *, absent_when_idle: bool = False) -> Series:
    return Series(Kind.HISTOGRAM, (Metric(name),), absent_when_idle=absent_when_idle)


def _value(*series: str, across: Across = Across.SUM) -> Formula:
    return Formula(tuple(Term(name, Form.VALUE) for name in series), across)


def _rate(series: str) -> Formula:
    return Formula((Term(series, Form.RATE),))


def _quantile(series: str) -> Formula:
    return Formula((Term(series, Form.BUCKETS),))


VLLM = Preset(
    "vllm",
    {
        "waiting": _gauge("vllm:num_requests_waiting"),
        "running": _gauge("vllm:num_requests_running"),
        # Every reason of finishing counts, also `abort`: whoever was served was not idle.
        "completed": _counter("vllm:request_success_total"),
        "tokens": _counter("vllm:generation_tokens_total"),
        "kv_cache": Series(
            Kind.GAUGE,
            # A ratio of 0 to 1, despite `perc`.
            (Metric("vllm:kv_cache_usage_perc", 100.0, 1.0), Metric("vllm:gpu_cache_usage_perc", 100.0, 1.0)),
            within=Across.MAX,
        ),
        "first_token": _histogram("vllm:time_to_first_token_seconds"),
        "end_to_end": _histogram("vllm:e2e_request_latency_seconds"),
        "queue_time": _histogram("vllm:request_queue_time_seconds"),
    },
    {
        QUEUE_DEPTH: _value("waiting"),
        PENDING_REQUESTS: _value("waiting", "running"),
        COMPLETED_REQUESTS: _value("completed"),
        # There is no counter of arrivals: over a window, what was completed is the nearest.
        REQUEST_RATE: _rate("completed"),
        TOKEN_RATE: _rate("tokens"),
        KV_CACHE_UTILIZATION: _value("kv_cache", across=Across.MAX),
        "timeToFirstToken": _quantile("first_token"),
        "endToEnd": _quantile("end_to_end"),
        "queueTime": _quantile("queue_time"),
    },
    Evidence.SERIES,
    ("vllm:num_requests_running",),
    port=8000,
)
"""vLLM, engine V1."""

TGI = Preset(
    "tgi",
    {
        "waiting": _gauge("tgi_queue_size", absent_when_idle=True),
        "running": _gauge("tgi_batch_current_size", absent_when_idle=True),
        # Counters without `_total`; behind an OpenMetrics collector they gain it.
        "completed": _counter("tgi_request_success", "tgi_request_success_total", absent_when_idle=True),
        "arrived": _counter("tgi_request_count", "tgi_request_count_total", absent_when_idle=True),
        "tokens": _counter("tgi_request_generated_tokens_sum", absent_when_idle=True),
        "end_to_end": _histogram("tgi_request_duration", absent_when_idle=True),
        "queue_time": _histogram("tgi_request_queue_duration", absent_when_idle=True),
    },
    {
        QUEUE_DEPTH: _value("waiting"),
        PENDING_REQUESTS: _value("waiting", "running"),
        COMPLETED_REQUESTS: _value("completed"),
        REQUEST_RATE: _rate("arrived"),
        TOKEN_RATE: _rate("tokens"),
        "endToEnd": _quantile("end_to_end"),
        "queueTime": _quantile("queue_time"),
    },
    Evidence.SCRAPE,
    port=80,
)
"""Text Generation Inference. It has no histogram of the time to first token and no KV gauge."""

DCGM = Preset(
    "dcgm",
    {
        "busy": Series(
            Kind.GAUGE,
            (Metric("DCGM_FI_PROF_GR_ENGINE_ACTIVE", 100.0, 1.0), Metric("DCGM_FI_DEV_GPU_UTIL", 1.0, 100.0)),
            within=Across.MEAN,
            absent_when_idle=True,
        ),
    },
    {GPU_UTILIZATION: _value("busy", across=Across.MEAN)},
    Evidence.GPU,
    ("DCGM_FI_PROF_GR_ENGINE_ACTIVE", "DCGM_FI_DEV_GPU_UTIL"),
    port=9400,
)
"""NVIDIA's GPU exporter: serves every backend."""

BACKENDS: Mapping[str, Preset] = MappingProxyType({preset.name: preset for preset in (VLLM, TGI)})
"""What a document's `backend` may name."""

PRESETS: Mapping[str, Preset] = MappingProxyType({**BACKENDS, DCGM.name: DCGM})
"""All presets by name."""


class Resolved(NamedTuple):
    """Where a standard signal of a backend is measured."""

    preset: Preset
    formula: Formula


def resolve(backend: str, signal: str) -> Resolved | None:
    """Return how a backend's signal is measured, at the backend itself or at the GPU exporter; None if it is not."""
    for preset in (BACKENDS.get(backend), DCGM):
        if preset is not None and signal in preset.signals:
            return Resolved(preset, preset.signals[signal])
    return None
