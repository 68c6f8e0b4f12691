"""Knative's way to zero: a revision is marked inactive, put behind the activator, and only then taken away.

Upstream: knative/serving pkg/reconciler/autoscaling/kpa/scaler.go (`scale`, `handleScaleToZero`) and kpa.go
(`computeActiveCondition`, the mode of the ServerlessService).
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

UNKNOWN = -1
"""No scale is known."""


class Phase(StrEnum):
    """A PodAutoscaler's Active condition."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    ACTIVATING = "activating"


class ScalerRules(NamedTuple):
    """What the configuration and the annotations of a revision lay down."""

    min_scale: int = 0
    max_scale: int = 0
    """0 for no limit."""
    initial_scale: int = 1
    """Lifts the minimum until it was reached once."""
    stable_window_seconds: float = 60.0
    grace_seconds: float = 30.0
    retention_seconds: float = 0.0
    """How long the last pod is kept at least."""
    activation_timeout_seconds: float = 630.0
    """The progress deadline and upstream's 30 s on top."""
    zero_enabled: bool = True
    always_proxied: bool = False
    """With a target burst capacity of -1 the activator is in the path for good, and is not probed."""
    reachable: bool = True


class Revision(NamedTuple):
    """What a revision is in at one reconcile."""

    replicas: int
    phase: Phase
    phase_seconds: float
    """How long it has been in this phase."""
    proxied_seconds: float = 0.0
    """How long the activator has been in the path."""
    initialized: bool = False
    """The initial scale was reached once."""


class Scaled(NamedTuple):
    """What the scaler decides."""

    replicas: int
    """What is wanted; `UNKNOWN` if that is not known."""
    applies: bool
    """Whether the target is to have that count; else it keeps what it has."""
    looks_again: bool = False
    """Whether the revision is looked at again at a later time without an event."""


def scale_to(wanted: int, rules: ScalerRules, revision: Revision, probe: Callable[[], bool]) -> Scaled:
    """Return the scale; `probe` says whether the activator answers for the revision."""
    if wanted < 0 and revision.phase is not Phase.ACTIVATING:
        return Scaled(wanted, applies=False)
    lowest = rules.min_scale if rules.reachable else 0
    if rules.initial_scale > 1 and not revision.initialized:
        lowest = max(lowest, rules.initial_scale)
    wanted = max(wanted, lowest)
    if rules.max_scale:
        wanted = min(wanted, rules.max_scale)
    return Scaled(wanted, applies=True) if wanted else _to_zero(rules, revision, probe)


def next_phase(wanted: int, ready: int, minimum: int, phase: Phase) -> Phase:
    """Return the Active condition after a reconcile; `minimum` is what counts as up, at least 1."""
    if wanted == 0:
        return Phase.INACTIVE
    if wanted < 0 and phase is Phase.INACTIVE:
        return phase
    return Phase.ACTIVE if ready >= minimum else Phase.ACTIVATING


def is_proxied(wanted: int, excess_burst_capacity: int, phase: Phase) -> bool:
    """Return whether the activator is put into the path."""
    return wanted == 0 or excess_burst_capacity < 0 or (wanted < 0 and phase is Phase.INACTIVE)


def _to_zero(rules: ScalerRules, revision: Revision, probe: Callable[[], bool]) -> Scaled:
    if not rules.zero_enabled:
        return Scaled(1, applies=True)
    if revision.phase is Phase.ACTIVATING:
        if revision.phase_seconds > rules.activation_timeout_seconds:
            return Scaled(0, applies=True)
        return Scaled(UNKNOWN, applies=False, looks_again=True)
    if revision.phase is Phase.ACTIVE:
        if revision.phase_seconds >= rules.stable_window_seconds:
            return Scaled(0, applies=False)
        return Scaled(1, applies=True, looks_again=True)
    return _from_inactive(rules, revision, probe)


def _from_inactive(rules: ScalerRules, revision: Revision, probe: Callable[[], bool]) -> Scaled:
    """Take the last pod away once the activator has been in its place long enough, and never while it is retained."""
    if not (rules.always_proxied or probe()):
        return Scaled(0, applies=False)
    retention = rules.retention_seconds if rules.reachable else 0.0
    settled = max(revision.phase_seconds, revision.proxied_seconds) >= rules.grace_seconds
    applies = settled and revision.phase_seconds >= retention
    return Scaled(0, applies, looks_again=not applies)
