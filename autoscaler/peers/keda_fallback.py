"""What KEDA tells its HPA instead of a metric that keeps failing.

Upstream: kedacore/keda pkg/fallback/fallback.go, `GetMetricsWithFallback` and `doFallback`. Failures are counted when
the HPA asks, so at zero replicas, where it does not, nothing falls back.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class FallbackBehavior(StrEnum):
    """Which count stands in for an unknown one."""

    STATIC = "static"
    CURRENT = "currentReplicas"
    IF_HIGHER = "currentReplicasIfHigher"
    IF_LOWER = "currentReplicasIfLower"


class Fallback(NamedTuple):
    """`spec.fallback`."""

    failure_threshold: int
    replicas: int
    behavior: FallbackBehavior = FallbackBehavior.STATIC


def falls_back(fallback: Fallback | None, failures: int) -> bool:
    """Return whether the metric has failed often enough: strictly more than the threshold."""
    return fallback is not None and failures > fallback.failure_threshold


def fallback_replicas(fallback: Fallback, current: int) -> int:
    """Return the count that stands in."""
    if fallback.behavior is FallbackBehavior.CURRENT:
        return current
    if fallback.behavior is FallbackBehavior.IF_HIGHER:
        return max(current, fallback.replicas)
    if fallback.behavior is FallbackBehavior.IF_LOWER:
        return min(current, fallback.replicas)
    return fallback.replicas


def fallback_metric(fallback: Fallback, current: int, target: float, ready: int | None = None) -> float | None:
    """Return the metric that makes an HPA want that count.

    `ready` is given for a target Value, which the HPA multiplies with the ready pods; without any there is no such
    metric.
    """
    total = fallback_replicas(fallback, current) * target
    if ready is None:
        return total
    return total / ready if ready else None
