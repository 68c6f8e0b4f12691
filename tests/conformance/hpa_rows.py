"""From rows of upstream's HPA tables to the calculator's arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autoscaler.peers.hpa_calculator import (
    Invalid,
    Proposed,
    Tolerances,
    average_value_replicas,
    pods_replicas,
    resource_replicas,
    value_replicas,
)
from autoscaler.peers.hpa_pods import LONG_AGO, Patience, Pod, PodMetric

if TYPE_CHECKING:
    from collections.abc import Sequence

NOW = 1_700_000_000.0
# upstream's clock runs on between writing a row and judging it: an age given as equal to a limit is just outside
TICK = 1e-3


def at(age_seconds: float | None) -> float:
    """Return the moment that is so long ago; None is Go's zero time."""
    return LONG_AGO if age_seconds is None else NOW - age_seconds - TICK


def pods_of(rows: Sequence[dict[str, Any]]) -> list[Pod]:
    """Return the pods."""
    return [
        Pod(
            row["name"],
            row["phase"],
            row["deleted"],
            row["readyCondition"],
            at(row["startAgeSeconds"]) if row.get("startTimeSet", True) else None,
            at(row["readyTransitionAgeSeconds"]),
            row.get("requestMilli"),
        )
        for row in rows
    ]


def metrics_of(rows: Sequence[dict[str, Any]]) -> dict[str, PodMetric]:
    """Return the samples of the pods that have one."""
    return {
        row["name"]: PodMetric(row["metricMilli"], at(row.get("metricAgeSeconds")), row.get("metricWindowSeconds", 60))
        for row in rows
        if row["metricMilli"] is not None
    }


def tolerances_of(given: dict[str, Any]) -> Tolerances:
    """Return the tolerances: one for both directions, or one for each."""
    if given["tolerance"] is None:
        return Tolerances(given["tolerances"]["scaleDown"], given["tolerances"]["scaleUp"])
    return Tolerances(given["tolerance"], given["tolerance"])


def proposal(
    kind: str,
    row: dict[str, Any],
    rows: Sequence[dict[str, Any]],
    counts: tuple[int, int],
    tolerances: Tolerances,
    patience: Patience,
) -> Proposed | Invalid:
    """Return what the metric of a row asks for; `counts` are the replicas in spec and in status."""
    pods, metrics = pods_of(rows), metrics_of([*rows, *row.get("extraMetrics", ())])
    spec, status = counts
    if kind == "resource":
        target = row["targetUtilizationPercent"]
        return resource_replicas(spec, target, row["resource"], pods, metrics, tolerances, NOW, patience)
    if kind == "pods":
        return pods_replicas(spec, row["targetMilli"], pods, metrics, tolerances, NOW)
    total = sum(row["metricValuesMilli"])
    if kind in ("object", "external"):
        return value_replicas(spec, total, row["targetMilli"], pods, tolerances)
    return average_value_replicas(status, total, row["targetPerPodMilli"], tolerances)
