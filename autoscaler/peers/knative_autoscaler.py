"""Knative's own arithmetic: from concurrency in two windows to a wanted scale.

Upstream: knative/serving pkg/autoscaler/scaling/autoscaler.go, `Scale` and `newAutoscaler`, and
pkg/reconciler/autoscaling/resources/target.go, `ResolveMetricTarget`. Values are totals of the revision, not per pod.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from autoscaler.peers.knative_window import bucket_of, buckets_in, largest, put

if TYPE_CHECKING:
    from collections.abc import Mapping

TICK_SECONDS = 2.0
"""Between two decisions; upstream's `tickInterval`."""
SMALLEST_TARGET = 0.01
_NOTHING: Mapping[int, int] = {}


class KpaSpec(NamedTuple):
    """One revision's decider spec."""

    target_value: float
    total_value: float
    target_burst_capacity: float = 211.0
    panic_threshold: float = 2.0
    max_scale_up_rate: float = 1000.0
    max_scale_down_rate: float = 2.0
    stable_window_seconds: float = 60.0
    activation_scale: int = 1
    scale_down_delay_seconds: float = 0.0
    reachable: bool = True


class KpaState(NamedTuple):
    """What one autoscaler object holds."""

    panic_since: float | None = None
    """When the panic threshold was last crossed, in seconds; None outside of panic."""
    max_panic_pods: int = 0
    delay: Mapping[int, int] = _NOTHING
    """The scales wanted lately, by bucket."""


class KpaScale(NamedTuple):
    """What one tick came to."""

    replicas: int
    excess_burst_capacity: int
    stable_wanted: int
    """From the stable window, within the rates."""
    panic_wanted: int


def start(ready: int | None, now: float) -> KpaState:
    """Return a new autoscaler's state; with more than one ready pod it panics, so as not to lower what it cannot judge.

    None says that the pods could not be counted.
    """
    return KpaState(now if ready is not None and ready > 1 else None, ready or 0)


def tick(
    spec: KpaSpec, state: KpaState, ready: int, stable: float, panic: float, now: float
) -> tuple[KpaScale, KpaState]:
    """Return the wanted scale for the means of the stable and the panic window."""
    pods = max(1, ready)
    highest = math.ceil(spec.max_scale_up_rate * pods)
    lowest = math.floor(pods / spec.max_scale_down_rate) if spec.reachable else 0
    raw_stable, raw_panic = math.ceil(stable / spec.target_value), math.ceil(panic / spec.target_value)
    wanted, wanted_in_panic = (_activated(spec, raw, min(max(raw, lowest), highest)) for raw in (raw_stable, raw_panic))
    state = _panicking(spec, state, over=raw_panic / pods >= spec.panic_threshold, now=now)
    replicas = wanted
    if state.panic_since is not None:
        replicas = max(wanted, wanted_in_panic, state.max_panic_pods)
        state = state._replace(max_panic_pods=replicas)
    if spec.scale_down_delay_seconds > 0 and spec.reachable:
        buckets = buckets_in(spec.scale_down_delay_seconds, TICK_SECONDS)
        state = state._replace(delay=put(state.delay, buckets, bucket_of(now, TICK_SECONDS), replicas))
        replicas = largest(state.delay)
    return KpaScale(replicas, _excess(spec, ready, panic), wanted, wanted_in_panic), state


def resolve_target(
    total: float, utilization: float, annotation: float | None = None, container_concurrency: float = 0.0
) -> tuple[float, float]:
    """Return (target, total) per pod; `container_concurrency` is a hard limit, 0 for none and for requests per second.

    `total` is the configured default.
    """
    limit = container_concurrency or math.inf
    if annotation is not None:
        total = min(annotation, limit)
    elif container_concurrency:
        total = container_concurrency
    return max(SMALLEST_TARGET, total * utilization), total


def _activated(spec: KpaSpec, raw: int, clamped: int) -> int:
    return max(clamped, spec.activation_scale) if raw > 0 and spec.activation_scale > 1 else clamped


def _panicking(spec: KpaSpec, state: KpaState, *, over: bool, now: float) -> KpaState:
    if over:
        return state._replace(panic_since=now)
    if state.panic_since is not None and state.panic_since + spec.stable_window_seconds < now:
        return state._replace(panic_since=None, max_panic_pods=0)
    return state


def _excess(spec: KpaSpec, ready: int, panic: float) -> int:
    """Return the capacity beyond the wanted burst; negative keeps the activator in the path."""
    if spec.target_burst_capacity == 0:
        return 0
    if spec.target_burst_capacity < 0:
        return -1
    return math.floor(ready * spec.total_value - spec.target_burst_capacity - panic)
