"""What an HPA without a `behavior` block does: a window downwards only, and at most doubling upwards.

Upstream: kubernetes/kubernetes pkg/controller/podautoscaler/horizontal.go, `stabilizeRecommendation`,
`convertDesiredReplicasWithRules` and `calculateScaleUpLimit`. Nothing fills in a missing `behavior` block.
"""

from __future__ import annotations

from typing import NamedTuple

from autoscaler.engine.behavior import Limited, Recommendation


class UpLimit(NamedTuple):
    """At most max(factor x current, minimum) replicas at once; constants in upstream's source."""

    factor: float = 2.0
    minimum: float = 4.0


_UP_LIMIT = UpLimit()


def stabilize_down(
    desired: int, window_seconds: float, history: tuple[Recommendation, ...], now: float
) -> tuple[int, tuple[Recommendation, ...]]:
    """Return the most that was wanted within the window, and the history; exactly as old as the window counts."""
    most, obsolete = desired, -1
    for slot, (at, replicas) in enumerate(history):
        if at < now - window_seconds:
            obsolete = slot
        else:
            most = max(most, replicas)
    entry = Recommendation(now, desired)
    if obsolete < 0:
        return most, (*history, entry)
    return most, (*history[:obsolete], entry, *history[obsolete + 1 :])


def limit_up(current: int, desired: int, bounds: tuple[int, int], limit: UpLimit = _UP_LIMIT) -> Limited:
    """Return `desired` within the bounds (min, max) and the limit, with upstream's reason word."""
    minimum, maximum = bounds
    highest = int(max(limit.factor * current, limit.minimum))
    if desired < minimum:
        return Limited(minimum, "TooFewReplicas")
    if desired > min(maximum, highest):
        return Limited(highest, "ScaleUpLimit") if maximum > highest else Limited(maximum, "TooManyReplicas")
    return Limited(desired, "DesiredWithinRange")
