"""A decision is a value: the count, and the trail of stages that led to it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from autoscaler.engine.fleet import Fleet
    from autoscaler.engine.observation import Observation
    from autoscaler.engine.proposal import Notice, Proposal
    from autoscaler.engine.state import State


class Reason(StrEnum):
    """What decided: a small set of words, fit for a metric's label."""

    DEMAND = "Demand"
    """The sizing rules."""
    GUARD = "Guard"
    """A guard's step up."""
    FLOOR = "Floor"
    CEILING = "Ceiling"
    FALLBACK = "Fallback"
    NO_OPINION = "NoOpinion"
    SIGNAL_NOT_OK = "SignalNotOk"
    """A sizing signal is not ok, so nothing was lowered."""
    VETO = "Veto"
    ROLLOUT = "Rollout"
    STUCK = "StuckReplicas"
    STABILIZED = "Stabilized"
    RATE_LIMITED = "RateLimited"
    MIN_REPLICAS = "MinReplicas"
    MAX_REPLICAS = "MaxReplicas"
    IDLE = "Idle"
    ASLEEP = "Asleep"
    WAKE = "Wake"
    BLIND_WAKE = "BlindWake"
    OFF = "Off"
    """Somebody set the target to zero, and the policy does not allow zero."""
    PAUSED = "Paused"
    FOREIGN_HOLD = "ForeignHold"


class Stage(NamedTuple):
    """One step of the trail: what came in, what went out, and why."""

    name: str
    before: int
    after: int
    why: str


class Decision(NamedTuple):
    """The count that one target should have, and why."""

    target: str
    at: float
    """UTC epoch seconds."""
    current: int
    replicas: int
    reason: Reason
    """What decided last."""
    trail: tuple[Stage, ...]
    proposals: tuple[tuple[str, Proposal], ...]
    """By rule name, in the order of the policy."""
    fleet: Fleet
    notices: tuple[Notice, ...] = ()

    @property
    def direction(self) -> str:
        """`up`, `down` or `hold`."""
        if self.replicas == self.current:
            return "hold"
        return "up" if self.replicas > self.current else "down"

    def explain(self) -> str:
        """Return the whole decision as text, one stage a line."""
        lines = [f"{self.target}: {self.current} -> {self.replicas} ({self.reason})"]
        lines += [f"  rule {name}: {p.kind} {p.replicas:g}: {p.reason}" for name, p in self.proposals]
        lines += [f"  {stage.name}: {stage.before} -> {stage.after}: {stage.why}" for stage in self.trail]
        return "\n".join(lines)


class Decider(Protocol):
    """Whatever can run a target: the native engine, or a peer."""

    def decide(self, observation: Observation, state: State, now: float) -> tuple[Decision, State]:
        """Return the decision for `now` (UTC epoch seconds) and the state to hand in next time."""
