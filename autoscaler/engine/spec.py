"""The compiled, frozen form of the documents: all that the engine knows of what the user wants."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from autoscaler.engine.behavior import DEFAULT_DOWN, DEFAULT_UP, ScalingRules

if TYPE_CHECKING:
    from autoscaler.engine.proposal import Rule


class Mode(StrEnum):
    """What happens to a decision; ordered from the least to the most conservative."""

    ACTIVE = "Active"
    DRY_RUN = "DryRun"
    PAUSED = "Paused"


class OnForeignChange(StrEnum):
    """What to do when somebody else changed the count."""

    OVERRIDE = "Override"
    HOLD = "Hold"


@dataclass(frozen=True, slots=True)
class ScaleToZero:
    """Zero after an idle window, and back on a request at the gateway."""

    idle_after_seconds: float
    target_per_replica: float = 1.0
    """Held requests that one replica is woken for."""
    wake_threshold: float = 0.0
    """More held requests than this wake the target."""
    blind_after_seconds: float = 120.0
    """At zero, raise to 1 when the wake signal has not been ok for this long."""


@dataclass(frozen=True, slots=True)
class Fallback:
    """A floor while every sizing signal is unknown."""

    replicas: int
    after_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Startup:
    """How long a replica may take to become Ready before it counts as stuck."""

    expected_seconds: float = 300.0
    """Used until start-ups have been seen."""
    stuck_factor: float = 3.0
    """Stuck after this many learned start-up times, and never before `stuck_after_seconds`."""
    stuck_after_seconds: float = 600.0
    backoff_seconds: float = 60.0
    """First pause between probes while pods are unschedulable; doubles up to `backoff_limit_seconds`."""
    backoff_limit_seconds: float = 960.0


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """One target's policy, ready to decide with."""

    min_replicas: int
    max_replicas: int
    rules: tuple[Rule, ...]
    fingerprint: str
    """Changes with the documents: a new one reseeds the history."""
    mode: Mode = Mode.DRY_RUN
    scale_up: ScalingRules = DEFAULT_UP
    scale_down: ScalingRules = DEFAULT_DOWN
    scale_to_zero: ScaleToZero | None = None
    fallback: Fallback | None = None
    startup: Startup = Startup()
    on_foreign_change: OnForeignChange = OnForeignChange.OVERRIDE
    foreign_hold_seconds: float = 3600.0
    interval_seconds: float = 15.0
    """Between decisions. Evidence with a gap of more than two intervals is none."""

    @property
    def zero_allowed(self) -> bool:
        """Whether the idle timer may take the target to zero: iff both the bound and the policy say so."""
        return self.min_replicas == 0 and self.scale_to_zero is not None
