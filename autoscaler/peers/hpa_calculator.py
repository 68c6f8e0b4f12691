"""From metrics to replicas, exactly as the HorizontalPodAutoscaler of current Kubernetes.

Upstream: kubernetes/kubernetes pkg/controller/podautoscaler/replica_calculator.go (`GetResourceReplicas`,
`calcPlainMetricReplicas`, `GetObjectMetricReplicas`, `GetObjectPerPodMetricReplicas` and the External twins of the
latter) and pkg/controller/podautoscaler/metrics/utilization.go. Values, targets and requests are in thousandths, and
integers, as upstream's: a mean, and a utilization in percent, is truncated before it is compared with its target.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from autoscaler.engine.behavior import REPLICAS_LIMIT
from autoscaler.peers.hpa_pods import Patience, group

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from autoscaler.peers.hpa_pods import Groups, Pod, PodMetric


class Tolerances(NamedTuple):
    """Keep the count while 1 - down <= ratio <= 1 + up; both ends count as within."""

    down: float = 0.1
    up: float = 0.1

    def within(self, ratio: float) -> bool:
        """Return whether the ratio is too near to 1 to act on; NaN is not."""
        return 1.0 - self.down <= ratio <= 1.0 + self.up


class Proposed(NamedTuple):
    """What one metric asks for."""

    replicas: int
    utilization: int
    """Percent of the request for a resource, else thousandths of the metric."""
    raw_milli: int
    """The mean value behind it."""


class Invalid(NamedTuple):
    """A metric that the controller cannot calculate with."""

    message: str
    """Upstream's words."""


NO_PODS = "no pods returned by selector while calculating replica count"
NO_METRICS = "did not receive metrics for targeted pods (pods might be unready)"
NO_KNOWN_PODS = "no metrics returned matched known pods"
_NO_PATIENCE = Patience()
_INT64 = 2**63 - 1


def resource_replicas(
    current: int,
    target_percent: int,
    resource: str,
    pods: Sequence[Pod],
    metrics: Mapping[str, PodMetric],
    tolerances: Tolerances,
    now: float,
    patience: Patience = _NO_PATIENCE,
) -> Proposed | Invalid:
    """Return the count for a utilization of the pods' requests; invalid without pod, request or usable sample."""
    counted = _counted(pods, metrics, resource, patience, now)
    if isinstance(counted, Invalid):
        return counted
    requests = {pod.name: pod.request_milli for pod in pods if pod.request_milli is not None}
    if len(requests) < len(pods):
        return Invalid(f"missing request for {resource}")
    # a pod without a sample is taken for fully used on the way down, or at the target where that is above 100 percent
    assumed = {name: requests[name] * max(100, target_percent) // 100 for name in counted.groups.missing}

    def ratio(milli: Mapping[str, int]) -> Ratio | None:
        used = {name: value for name, value in milli.items() if name in requests}
        requested = sum(requests[name] for name in used)
        if not requested:
            return None
        total = sum(used.values())
        percent = 100 * total // requested
        return Ratio(percent / target_percent, percent, total // len(used))

    return _replicas(current, counted, assumed, ratio, tolerances)


def pods_replicas(
    current: int,
    target_milli: int,
    pods: Sequence[Pod],
    metrics: Mapping[str, PodMetric],
    tolerances: Tolerances,
    now: float,
    resource: str = "",
    patience: Patience = _NO_PATIENCE,
) -> Proposed | Invalid:
    """Return the count for a mean value per pod; `resource` for a resource with an AverageValue.

    Invalid without a pod, or a usable sample.
    """
    counted = _counted(pods, metrics, resource, patience, now)
    if isinstance(counted, Invalid):
        return counted

    def ratio(milli: Mapping[str, int]) -> Ratio:
        mean = sum(milli.values()) // len(milli)
        return Ratio(mean / target_milli, mean, mean)

    return _replicas(current, counted, dict.fromkeys(counted.groups.missing, target_milli), ratio, tolerances)


def value_replicas(
    current: int, value_milli: int, target_milli: int, pods: Sequence[Pod], tolerances: Tolerances
) -> Proposed | Invalid:
    """Return the count for an Object or External metric with a target Value; External values are summed before.

    Invalid if there is no pod, and the ratio is outside the tolerance.
    """
    ratio = value_milli / target_milli
    if current == 0:
        return Proposed(_saturated(ratio), value_milli, value_milli)
    if tolerances.within(ratio):
        return Proposed(current, value_milli, value_milli)
    if not pods:
        return Invalid(NO_PODS)
    ready_count = sum(pod.phase == "Running" and pod.ready is True for pod in pods)
    return Proposed(_saturated(ratio * ready_count), value_milli, value_milli)


def average_value_replicas(
    status_replicas: int, value_milli: int, target_milli: int, tolerances: Tolerances
) -> Proposed:
    """Return the count for an Object or External metric with a target AverageValue: total / target.

    No pod is looked at.
    """
    replicas = status_replicas
    if not (status_replicas and tolerances.within(value_milli / (target_milli * status_replicas))):
        replicas = _saturated(value_milli / target_milli)
    mean = min(math.ceil(value_milli / status_replicas), _INT64) if status_replicas else _INT64
    return Proposed(replicas, mean, mean)


class Counted(NamedTuple):
    """The samples that count, in thousandths, and the pods by what they mean."""

    milli: Mapping[str, int]
    groups: Groups


class Ratio(NamedTuple):
    """Usage in relation to its target."""

    value: float
    utilization: int
    raw_milli: int


def _counted(
    pods: Sequence[Pod], metrics: Mapping[str, PodMetric], resource: str, patience: Patience, now: float
) -> Counted | Invalid:
    if not metrics:
        what = f"unable to get metrics for resource {resource}" if resource else "unable to get metric"
        return Invalid(f"{what}: no metrics returned from {'resource' if resource else 'custom'} metrics API")
    if not pods:
        return Invalid(NO_PODS)
    groups = group(pods, metrics, resource, patience, now)
    left_out = {*groups.ignored, *groups.unready}
    milli = {name: metric.milli for name, metric in metrics.items() if name not in left_out}
    return Counted(milli, groups) if milli else Invalid(NO_METRICS)


def _replicas(
    current: int,
    counted: Counted,
    assumed_when_missing: Mapping[str, int],
    ratio_of: Callable[[Mapping[str, int]], Ratio | None],
    tolerances: Tolerances,
) -> Proposed | Invalid:
    """Fill in what is not known so that it argues against acting, and act only if that leaves the direction."""
    groups, first = counted.groups, ratio_of(counted.milli)
    if first is None:
        return Invalid(NO_KNOWN_PODS)
    ratio = first.value
    up_with_unready = bool(groups.unready) and ratio > 1.0
    if not up_with_unready and not groups.missing:
        replicas = current if tolerances.within(ratio) else _saturated(ratio * groups.ready_count)
        return Proposed(replicas, first.utilization, first.raw_milli)
    filled = dict(counted.milli)
    if ratio < 1.0:
        filled |= assumed_when_missing
    elif ratio > 1.0:
        filled |= dict.fromkeys(groups.missing, 0)
    if up_with_unready:
        filled |= dict.fromkeys(groups.unready, 0)
    second = ratio_of(filled)
    if second is None:
        return Invalid(NO_KNOWN_PODS)
    again = second.value
    turned = (ratio < 1.0 < again) or (again < 1.0 < ratio)
    replicas = _saturated(again * len(filled))
    against = (again < 1.0 and replicas > current) or (again > 1.0 and replicas < current)
    if tolerances.within(again) or turned or against:
        replicas = current
    return Proposed(replicas, first.utilization, first.raw_milli)


def _saturated(replicas: float) -> int:
    """Return the count rounded up, and at most an int32."""
    return REPLICAS_LIMIT if replicas >= REPLICAS_LIMIT else math.ceil(replicas)
