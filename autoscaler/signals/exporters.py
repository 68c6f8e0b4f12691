"""What others tell of any backend's pods: the GPU exporter of their GPUs, cAdvisor of their CPU.

Sources: NVIDIA/dcgm-exporter `etc/default-counters.csv`; google/cadvisor `docs/storage/prometheus.md`;
kubernetes/kube-state-metrics `docs/metrics/workload/pod-metrics.md`.
"""

from __future__ import annotations

from autoscaler.engine.observation import CPU_UTILIZATION, GPU_UTILIZATION
from autoscaler.signals.preset import (
    GPU_MEMORY_UTILIZATION,
    GPU_POWER,
    Evidence,
    Form,
    Formula,
    Matcher,
    Metric,
    Preset,
    Term,
    counter,
    gauge,
    value,
)
from autoscaler.signals.query import Across

_MOST_MEBIBYTES = float(1 << 24)
"""16 TiB: what is above is a blank reading."""

DCGM = Preset(
    "dcgm",
    {
        "busy": gauge(
            Metric("DCGM_FI_PROF_GR_ENGINE_ACTIVE", 100.0, 1.0),
            Metric("DCGM_FI_DEV_GPU_UTIL", 1.0, 100.0),
            within=Across.MEAN,
            absent_when_idle=True,
        ),
        # An idle GPU's memory and power are not 0: absent is unknown.
        "memory_used": gauge(Metric("DCGM_FI_DEV_FB_USED", 1.0, _MOST_MEBIBYTES)),
        "memory_free": gauge(Metric("DCGM_FI_DEV_FB_FREE", 1.0, _MOST_MEBIBYTES)),
        "memory_used_percent": gauge(Metric("DCGM_FI_DEV_FB_USED", 100.0, _MOST_MEBIBYTES)),
        "power": gauge(Metric("DCGM_FI_DEV_POWER_USAGE", 1.0, 1e5)),
    },
    {
        GPU_UTILIZATION: value("busy", across=Across.MEAN),
        GPU_MEMORY_UTILIZATION: value("memory_used_percent", across=Across.MEAN, over=("memory_used", "memory_free")),
        GPU_POWER: value("power"),
    },
    Evidence.GPU,
    ("DCGM_FI_PROF_GR_ENGINE_ACTIVE", "DCGM_FI_DEV_GPU_UTIL"),
    port=9400,
    since="3.1; hosts were labelled Hostname before",
)
"""NVIDIA's GPU exporter, which reads NVML and DCGM: serves every backend."""

_OF_CONTAINERS = (Matcher("container", "", equal=False), Matcher("container", "POD", equal=False))

CADVISOR = Preset(
    "cadvisor",
    {
        # The sums of a pod and of the node have no container.
        "used": counter(Metric("container_cpu_usage_seconds_total", 100.0, where=_OF_CONTAINERS)),
        "requested": gauge(
            Metric("kube_pod_container_resource_requests", where=(Matcher("resource", "cpu"),)),
            needs="kube-state-metrics, and a CPU request in each container",
        ),
    },
    {CPU_UTILIZATION: Formula((Term("used", Form.RATE),), Across.MEAN, (Term("requested", Form.VALUE),))},
    Evidence.NODE,
    ("container_cpu_usage_seconds_total",),
    since="kube-state-metrics 2.0",
    needs="a scrape of the kubelets' /metrics/cadvisor",
)
"""The kubelets' cAdvisor, with the requests from kube-state-metrics: only through Prometheus."""
