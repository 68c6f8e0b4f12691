"""KEDA's own half: between zero (or the idle count) and the minimum. All above is the HPA that it makes.

Upstream: kedacore/keda pkg/scaling/executor/scale_scaledobjects.go, `RequestScale`, `scaleToZeroOrIdle`,
`scaleFromZeroOrIdle`.
"""

from __future__ import annotations

from typing import NamedTuple


class Activation(NamedTuple):
    """What a ScaledObject and its annotations lay down."""

    min_replicas: int = 0
    idle_replicas: int | None = None
    cooldown_seconds: float = 300.0
    initial_cooldown_seconds: float = 0.0
    fallback_replicas: int = 0
    """0 without a fallback."""
    has_fallback: bool = False
    paused: bool = False
    scale_in_paused: bool = False
    scale_out_paused: bool = False
    forced: bool = False

    @property
    def awake_replicas(self) -> int:
        """What the target wakes up with."""
        return max(self.min_replicas, 1)

    @property
    def asleep_replicas(self) -> int:
        """What the target has when nothing triggers it."""
        return self.min_replicas if self.idle_replicas is None else self.idle_replicas


class Triggers(NamedTuple):
    """What the poll of the triggers came to."""

    active: bool
    """At least one is above its activation threshold."""
    failed: bool
    """At least one could not be asked."""


class Past(NamedTuple):
    """The ScaledObject's own times, in UTC epoch seconds."""

    created_at: float
    last_active_at: float | None = None


class Activated(NamedTuple):
    """What one poll did."""

    replicas: int
    writes: bool
    """Whether the scale is written, were it with the same count."""
    active: bool | None
    """The Active condition; None while paused."""
    last_active_at: float | None
    why: str


def activate(rules: Activation, current: int, triggers: Triggers, past: Past, now: float) -> Activated:
    """Return what one poll does to a target of `current` replicas."""
    if rules.paused:
        return Activated(current, False, None, past.last_active_at, "paused")  # noqa: FBT003 - named in the tuple
    if triggers.active or rules.forced:
        return _active(rules, current, triggers, past, now)
    return _inactive(rules, current, triggers, past, now)


def _active(rules: Activation, current: int, triggers: Triggers, past: Past, now: float) -> Activated:
    held = Activated(current, writes=False, active=True, last_active_at=past.last_active_at, why="active")
    if current == 0 or (rules.idle_replicas is not None and current < rules.min_replicas):
        if rules.scale_out_paused:
            return held._replace(why="scale-out is paused")
        return held._replace(replicas=rules.awake_replicas, writes=True, last_active_at=now, why="woken by a trigger")
    if triggers.failed:
        return held._replace(why="active, but a trigger failed")
    return held._replace(last_active_at=now)


def _inactive(rules: Activation, current: int, triggers: Triggers, past: Past, now: float) -> Activated:
    held = Activated(current, writes=False, active=False, last_active_at=past.last_active_at, why="not active")
    if triggers.failed and rules.fallback_replicas:
        return held._replace(why="a trigger failed: left to the HPA and its fallback")
    if triggers.failed and not rules.has_fallback:
        return held._replace(why="a trigger failed, and there is no fallback")
    above_idle = rules.idle_replicas is not None and current > rules.idle_replicas
    if above_idle or (current > 0 and rules.min_replicas == 0):
        return _asleep(rules, held, past, now)
    if rules.idle_replicas is None and current < rules.min_replicas:
        return held._replace(replicas=rules.min_replicas, writes=True, why="raised to the minimum")
    return held


def _asleep(rules: Activation, held: Activated, past: Past, now: float) -> Activated:
    if rules.scale_in_paused:
        return held._replace(why="scale-in is paused")
    if past.last_active_at is None:
        over = past.created_at + rules.initial_cooldown_seconds < now
    else:
        over = past.last_active_at + rules.cooldown_seconds < now
    if not over:
        return held._replace(why="cooling down")
    return held._replace(replicas=rules.asleep_replicas, writes=True, why="no trigger is active")
