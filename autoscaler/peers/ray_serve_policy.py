"""Ray Serve's queue-length policy: ongoing requests over a target, by factors, after a delay.

Upstream: ray-project/ray python/ray/serve/autoscaling_policy.py, `_apply_scaling_factors`, `_apply_delay_logic`,
`_get_cold_start_scale_up_replicas` and `replica_queue_length_autoscaling_policy`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

_EARLY_SECONDS = 1e-6
"""A delay that is short by this much is over; upstream's `_DELAY_ELAPSED_EPS_S`."""


class Delays(NamedTuple):
    """How long a change must have been wanted, without a break, before it is made."""

    up_seconds: float = 30.0
    down_seconds: float = 600.0
    to_zero_seconds: float | None = None
    """From 1 to 0; as `down_seconds` if None."""


class Factors(NamedTuple):
    """The share of a wanted change that is made."""

    up: float = 1.0
    down: float = 1.0


class Waiting(NamedTuple):
    """A change that is wanted, but not made yet."""

    direction: int = 0
    """1 up, -1 down, 0 none."""
    since: float = 0.0
    """When it was wanted first, in seconds."""


def cold_start(requests: float, target: int, factors: Factors) -> int:
    """Return what a deployment without a running replica is given, at once."""
    return max(math.ceil(factors.up), target) if requests > 0 else target


def queue_length(requests: float, target_ongoing_requests: float) -> float:
    """Return the replicas that the requests, waiting and running, fill; not rounded."""
    return requests / target_ongoing_requests


def apply_factors(desired: float, current: int, factors: Factors) -> int:
    """Return the count after the factors; a decrease that they swallow is still one replica."""
    change = desired - current
    scaled = math.ceil(current + (factors.up if change > 0 else factors.down) * change)
    if scaled == current and math.ceil(desired) < current:
        return scaled - 1
    return scaled


def apply_delay(desired: int, target: int, delays: Delays, waiting: Waiting, now: float) -> tuple[int, Waiting]:
    """Return the count after the delay, and what is being waited for; only from 1 may it become 0."""
    if desired == target:
        return target, Waiting()
    direction, seconds = (1, delays.up_seconds) if desired > target else (-1, delays.down_seconds)
    if direction < 0:
        if target == 1 and delays.to_zero_seconds is not None:
            seconds = delays.to_zero_seconds
        elif target != 1:
            desired = max(1, desired)
    if waiting.direction != direction:
        waiting = Waiting(direction, now)
    if now - waiting.since + _EARLY_SECONDS >= seconds:
        return desired, Waiting()
    return target, waiting


def round_to_gangs(replicas: int, gang: int, bounds: tuple[int, int] | None = None) -> int:
    """Return the count rounded up to whole gangs of replicas that run together, within the bounds."""
    whole = math.ceil(replicas / gang) * gang
    return whole if bounds is None else max(bounds[0], min(bounds[1], whole))
