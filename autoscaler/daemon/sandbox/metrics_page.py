"""The fleet's numbers as `/metrics` pages, in the names that vLLM, TGI, the DCGM exporter and a gateway really use.

Sources: vllm-project/vllm `vllm/v1/metrics/loggers.py`; huggingface/text-generation-inference `router/src/server.rs`
and `backends/v3/src/{backend,queue}.rs`; NVIDIA/dcgm-exporter `etc/default-counters.csv`; llm-d/llm-d-router
`docs/metrics.md`. Format: Prometheus text exposition 0.0.4.
"""

from __future__ import annotations

from math import isinf
from typing import TYPE_CHECKING, NamedTuple

from autoscaler.daemon.sandbox.numbers import HistogramNumbers, Life
from autoscaler.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from autoscaler.daemon.sandbox.numbers import FleetNumbers, ReplicaNumbers

    Reading = float | HistogramNumbers

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Family(NamedTuple):
    """One metric: its name, its kind, and where its value is read."""

    name: str
    kind: str
    """`gauge`, `counter` or `histogram`."""
    text: str
    read: Callable[[ReplicaNumbers], Reading]
    labels: Mapping[str, str] = {}


VLLM: tuple[Family, ...] = (
    Family("vllm:num_requests_running", "gauge", "Requests in the running batch.", lambda r: r.running),
    Family("vllm:num_requests_waiting", "gauge", "Requests waiting to be processed.", lambda r: r.waiting),
    Family("vllm:kv_cache_usage_perc", "gauge", "KV-cache usage; 1 means 100 percent.", lambda r: r.kv_ratio),
    Family("vllm:prompt_tokens_total", "counter", "Prefill tokens processed.", lambda r: r.prompt_tokens),
    Family("vllm:generation_tokens_total", "counter", "Generation tokens processed.", lambda r: r.output_tokens),
    Family(
        "vllm:request_success_total",
        "counter",
        "Requests finished.",
        lambda r: r.completed,
        {"finished_reason": "stop"},
    ),
    Family("vllm:time_to_first_token_seconds", "histogram", "Time to first token.", lambda r: r.ttft),
    Family("vllm:e2e_request_latency_seconds", "histogram", "End-to-end request latency.", lambda r: r.e2e),
)

TGI: tuple[Family, ...] = (
    Family("tgi_queue_size", "gauge", "Requests in the internal queue.", lambda r: r.waiting),
    Family("tgi_batch_current_size", "gauge", "Requests in the current batch.", lambda r: r.running),
    Family("tgi_request_count", "counter", "Requests received.", lambda r: r.completed + r.running + r.waiting),
    Family("tgi_request_success", "counter", "Requests answered.", lambda r: r.completed),
    Family("tgi_request_duration", "histogram", "End-to-end request latency.", lambda r: r.e2e),
)

DCGM: tuple[Family, ...] = (
    Family("DCGM_FI_DEV_GPU_UTIL", "gauge", "GPU utilization (in %).", lambda r: round(100 * r.busy_ratio)),
    Family("DCGM_FI_PROF_GR_ENGINE_ACTIVE", "gauge", "Ratio of time a kernel was resident.", lambda r: r.busy_ratio),
)

_BACKENDS = {"vllm": VLLM, "tgi": TGI}
BACKENDS = tuple(_BACKENDS)
"""The backends that the sandbox can pretend to be."""


class Naming(NamedTuple):
    """What the labels of all pages say."""

    backend: str
    namespace: str
    target: str
    model: str
    gpu: str

    def checked(self) -> Naming:
        """Return itself.

        Raises:
            UsageError: the sandbox cannot pretend to be that backend.
        """
        if self.backend not in _BACKENDS:
            raise UsageError(f"sandbox: backend {self.backend!r} is not one of {', '.join(BACKENDS)}")
        return self


def replica_page(replica: ReplicaNumbers, naming: Naming) -> str:
    """Return what one replica's port shows: its backend's metrics, and those of its GPU.

    TGI shows a series only after its first use, so a fresh idle replica has none.
    """
    tgi = naming.backend == "tgi"
    backend_labels = {} if tgi else {"model_name": naming.model, "engine": "0"}
    gpu_labels = {
        "gpu": "0",
        "UUID": f"GPU-{replica.name}",
        "device": "nvidia0",
        "modelName": naming.gpu,
        "namespace": naming.namespace,
        "pod": replica.name,
    }
    families = () if tgi and not replica.used else _BACKENDS[naming.backend]
    lines = [line for family in families for line in _family(family, replica, backend_labels)]
    lines += [line for family in DCGM for line in _family(family, replica, gpu_labels)]
    return "\n".join(lines) + "\n"


def gateway_page(fleet: FleetNumbers, naming: Naming) -> str:
    """Return what the gateway's port shows, at zero replicas too: the requests it holds, and what it can route to."""
    ready = fleet.count(Life.READY)
    lines = [
        *_head("llm_d_epp_flow_control_queue_size", "gauge", "Requests held by flow control."),
        _sample("llm_d_epp_flow_control_queue_size", {"inference_pool": naming.target}, fleet.held),
        *_head("llm_d_epp_ready_endpoints", "gauge", "Endpoints that requests can be routed to."),
        _sample("llm_d_epp_ready_endpoints", {"name": naming.target}, ready),
        *_head("llm_d_epp_request_total", "counter", "Requests received."),
        _sample("llm_d_epp_request_total", {"model_name": naming.model}, fleet.arrived),
    ]
    return "\n".join(lines) + "\n"


def _family(family: Family, replica: ReplicaNumbers, labels: Mapping[str, str]) -> Iterator[str]:
    yield from _head(family.name, family.kind, family.text)
    reading = family.read(replica)
    all_labels = {**labels, **family.labels}
    if isinstance(reading, HistogramNumbers):
        yield from _histogram(family.name, reading, all_labels)
    else:
        yield _sample(family.name, all_labels, reading)


def _head(name: str, kind: str, text: str) -> Iterable[str]:
    return (f"# HELP {name} {text}", f"# TYPE {name} {kind}")


def _histogram(name: str, histogram: HistogramNumbers, labels: Mapping[str, str]) -> Iterator[str]:
    for bound, count in zip(histogram.bounds, histogram.cumulative, strict=True):
        yield _sample(f"{name}_bucket", {**labels, "le": "+Inf" if isinf(bound) else f"{bound:g}"}, count)
    yield _sample(f"{name}_sum", labels, histogram.total)
    yield _sample(f"{name}_count", labels, histogram.cumulative[-1])


def _sample(name: str, labels: Mapping[str, str], value: float) -> str:
    text = ",".join(f'{key}="{_escape(label)}"' for key, label in labels.items())
    return f"{name}{{{text}}} {float(value)!r}" if text else f"{name} {float(value)!r}"


def _escape(label: str) -> str:
    return label.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
