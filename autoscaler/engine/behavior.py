"""Stabilization windows and rate limits, exactly as the HorizontalPodAutoscaler v2 of current Kubernetes.

Upstream: kubernetes/kubernetes pkg/controller/podautoscaler/horizontal.go, functions
`stabilizeRecommendationWithBehaviors`, `convertDesiredReplicasWithBehaviorRate`,
`calculateScaleUpLimitWithScalingRules`, `calculateScaleDownLimitWithBehaviors`,
`getReplicasChangePerPeriod`, `markScaleEventsOutdated` and `storeScaleEvent`.

Histories are tuples in slot order, not in time order: as upstream, one outdated slot, the last one found, is written
over before the tuple grows. An entry counts while its age is strictly less than the period, and may be written over
when its age is strictly greater: at exactly the period it does neither.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

REPLICAS_LIMIT = 2**31 - 1
"""Counts saturate at an int32, as upstream's do."""


class PolicyType(StrEnum):
    """How a rate policy counts."""

    PODS = "Pods"
    PERCENT = "Percent"


class SelectPolicy(StrEnum):
    """Which of several rate policies binds."""

    MAX = "Max"
    MIN = "Min"
    DISABLED = "Disabled"


class RatePolicy(NamedTuple):
    """At most `value` pods, or percent of the pods, per `period_seconds`."""

    type: PolicyType
    value: int
    period_seconds: float


@dataclass(frozen=True, slots=True)
class ScalingRules:
    """One direction of an HPA's `behavior`."""

    stabilization_window_seconds: float
    policies: tuple[RatePolicy, ...]
    select_policy: SelectPolicy = SelectPolicy.MAX
    tolerance: float = 0.1
    """Keep the count while demand / count differs from 1 by at most this."""


DEFAULT_UP = ScalingRules(0.0, (RatePolicy(PolicyType.PODS, 4, 15.0), RatePolicy(PolicyType.PERCENT, 100, 15.0)))
DEFAULT_DOWN = ScalingRules(300.0, (RatePolicy(PolicyType.PERCENT, 100, 15.0),))
"""Upstream's defaults; the window is the controller manager's flag default."""


class Recommendation(NamedTuple):
    """What was wanted before stabilization, and when."""

    at: float
    replicas: int


class ScaleEvent(NamedTuple):
    """How many replicas a change added or removed, and when."""

    at: float
    change: int


class Limited(NamedTuple):
    """A count after bounds and rate limits, with upstream's reason word."""

    replicas: int
    reason: str
    """`DesiredWithinRange`, `ScaleUpLimit`, `TooManyReplicas`, `ScaleDownLimit` or `TooFewReplicas`."""


def change_in_period(events: tuple[ScaleEvent, ...], period_seconds: float, now: float) -> int:
    """Return the replicas changed less than `period_seconds` ago."""
    change = 0
    for at, replicas in events:
        if now - at < period_seconds:
            change += replicas
    return change


def scale_up_limit(
    current: int, rules: ScalingRules, ups: tuple[ScaleEvent, ...], downs: tuple[ScaleEvent, ...], now: float
) -> int:
    """Return the highest count that the up policies allow now; a Percent policy rounds up."""
    if rules.select_policy is SelectPolicy.DISABLED:
        return current
    limits = []
    for kind, value, period_seconds in rules.policies:
        start = current - change_in_period(ups, period_seconds, now) + change_in_period(downs, period_seconds, now)
        limits.append(start + value if kind is PolicyType.PODS else math.ceil(start * (1 + value / 100)))
    chosen = min(limits) if rules.select_policy is SelectPolicy.MIN else max(limits)
    return min(chosen, REPLICAS_LIMIT)


def scale_down_limit(
    current: int, rules: ScalingRules, ups: tuple[ScaleEvent, ...], downs: tuple[ScaleEvent, ...], now: float
) -> int:
    """Return the lowest count that the down policies allow now; a Percent policy truncates toward zero."""
    if rules.select_policy is SelectPolicy.DISABLED:
        return current
    limits = []
    for kind, value, period_seconds in rules.policies:
        start = current - change_in_period(ups, period_seconds, now) + change_in_period(downs, period_seconds, now)
        limits.append(start - value if kind is PolicyType.PODS else int(start * (1 - value / 100)))
    return max(limits) if rules.select_policy is SelectPolicy.MIN else min(limits)


def limit_rate(
    current: int,
    desired: int,
    bounds: tuple[int, int],
    rules: tuple[ScalingRules, ScalingRules],
    events: tuple[tuple[ScaleEvent, ...], tuple[ScaleEvent, ...]],
    now: float,
) -> Limited:
    """Return `desired` within the bounds (min, max) and within what the (up, down) rules allow.

    `events` are the past (up, down) changes. A limit on the far side of `current` means no change, never a move
    the other way.
    """
    (minimum, maximum), (up, down), (ups, downs) = bounds, rules, events
    if desired > current:
        highest = max(scale_up_limit(current, up, ups, downs, now), current)
        if desired > min(highest, maximum):
            return Limited(highest, "ScaleUpLimit") if highest < maximum else Limited(maximum, "TooManyReplicas")
    elif desired < current:
        lowest = min(scale_down_limit(current, down, ups, downs, now), current)
        if desired < max(lowest, minimum):
            return Limited(lowest, "ScaleDownLimit") if lowest > minimum else Limited(minimum, "TooFewReplicas")
    return Limited(desired, "DesiredWithinRange")


def stabilize(
    current: int,
    desired: int,
    windows_seconds: tuple[float, float],
    history: tuple[Recommendation, ...],
    now: float,
) -> tuple[int, tuple[Recommendation, ...]]:
    """Return `current` clamped into [least wanted in the up window, most wanted in the down window], and the history.

    Both ends include `desired`. The history keeps the un-stabilized `desired`.
    """
    up_window, down_window = windows_seconds
    least = most = desired
    obsolete = -1
    for slot, (at, replicas) in enumerate(history):
        age = now - at
        if age < down_window:
            most = replicas if replicas > most else most
        elif age > down_window and age > up_window:
            obsolete = slot
        if age < up_window and replicas < least:
            least = replicas
    stabilized = min(max(current, least), most)
    entry = Recommendation(now, desired)
    if obsolete < 0:
        return stabilized, (*history, entry)
    return stabilized, (*history[:obsolete], entry, *history[obsolete + 1 :])


def store_event(
    events: tuple[ScaleEvent, ...], change: int, longest_period_seconds: float, now: float
) -> tuple[ScaleEvent, ...]:
    """Return the events with one more, over the last outdated slot if there is one."""
    outdated = [slot for slot, event in enumerate(events) if now - event.at > longest_period_seconds]
    entry = ScaleEvent(now, change)
    if not outdated:
        return (*events, entry)
    slot = outdated[-1]
    return (*events[:slot], entry, *events[slot + 1 :])


def longest_period(rules: ScalingRules) -> float:
    """Return the longest period of any policy, in seconds; 0 without policies."""
    return max((policy.period_seconds for policy in rules.policies), default=0.0)
