"""Which pods an HPA counts: ready, unready, missing and ignored.

Upstream: kubernetes/kubernetes pkg/controller/podautoscaler/replica_calculator.go, `groupPods`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CPU = "cpu"
LONG_AGO = -62_135_596_800.0
"""Go's zero time, the first of January of the year 1."""


class Pod(NamedTuple):
    """One pod, as the controller sees it. All times are UTC epoch seconds."""

    name: str
    phase: str = "Running"
    deleted: bool = False
    ready: bool | None = True
    """The Ready condition; None if there is none yet."""
    started_at: float | None = LONG_AGO
    """None before the node has taken it up."""
    ready_changed_at: float = LONG_AGO
    request_milli: int | None = None
    """The requests of the containers that count, in thousandths; None if one has none."""


class PodMetric(NamedTuple):
    """One pod's sample."""

    milli: int
    at: float = LONG_AGO
    window_seconds: float = 60.0
    """The time that the sample is a mean over."""


class Patience(NamedTuple):
    """How long the cpu usage of a pod that starts is not believed: flags of the controller manager."""

    cpu_initialization_seconds: float = 300.0
    initial_readiness_seconds: float = 30.0


class Groups(NamedTuple):
    """The names of the pods, by what they mean for the calculation."""

    ready_count: int
    unready: tuple[str, ...]
    missing: tuple[str, ...]
    ignored: tuple[str, ...]


def group(
    pods: Iterable[Pod], metrics: Mapping[str, PodMetric], resource: str, patience: Patience, now: float
) -> Groups:
    """Return the groups; readiness matters for the cpu resource only."""
    ready_count = 0
    unready, missing, ignored = [], [], []
    for pod in pods:
        if pod.deleted or pod.phase == "Failed":
            ignored.append(pod.name)
        elif pod.phase == "Pending":
            unready.append(pod.name)
        elif pod.name not in metrics:
            missing.append(pod.name)
        elif resource == CPU and _too_early(pod, metrics[pod.name], patience, now):
            unready.append(pod.name)
        else:
            ready_count += 1
    return Groups(ready_count, tuple(unready), tuple(missing), tuple(ignored))


def _too_early(pod: Pod, metric: PodMetric, patience: Patience, now: float) -> bool:
    """Return whether the cpu sample says more about starting than about load."""
    if pod.ready is None or pod.started_at is None:
        return True
    if pod.started_at + patience.cpu_initialization_seconds > now:
        return not pod.ready or metric.at < pod.ready_changed_at + metric.window_seconds
    return not pod.ready and pod.started_at + patience.initial_readiness_seconds > pod.ready_changed_at
