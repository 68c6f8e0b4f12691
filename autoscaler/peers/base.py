"""What every peer is made of: a frozen model of its parameters, its own pace, and one step from state to state."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Annotated, ClassVar, NamedTuple

from pydantic import BaseModel, Field, model_validator

from autoscaler.engine.decision import Decision, Reason, Stage
from autoscaler.engine.fleet import classify
from autoscaler.engine.spec import Startup
from autoscaler.quantities import FROZEN, Finite, NotNegative, Positive, Replicas

if TYPE_CHECKING:
    from typing import Self

    from autoscaler.engine.observation import Observation, SignalRequest
    from autoscaler.engine.proposal import Memory, Proposal
    from autoscaler.engine.state import State

__all__ = ["Finite", "NotNegative", "Positive", "Replicas"]

SignalKey = Annotated[str, Field(strict=True, min_length=1)]
"""A key of `Observation.signals`, such as `queueDepth` or `timeToFirstToken:0.99`."""

_STARTUP = Startup()
_EARLY_SECONDS = 1e-6
"""A call this much too early is on time: ticks are sums of floats."""


class Step(NamedTuple):
    """What one pass of a peer's own loop came to."""

    replicas: int
    reason: Reason
    trail: tuple[Stage, ...]
    state: State
    proposals: tuple[tuple[str, Proposal], ...] = ()


class ParametersModel(BaseModel):
    """Parameters in camelCase, unknown ones refused, nothing changed after it was read."""

    model_config = FROZEN


class PeerModel(ParametersModel, ABC):
    """The base of every peer's parameters, with upstream's defaults; `step` is the peer itself.

    A peer whose upstream works in another rhythm than its caller says so in `interval_seconds`. Called sooner, it
    holds; called later, its windows, delays and cooldowns still run in seconds, but it sees, and acts, less often.
    """

    follows: ClassVar[str]
    """The upstream version that is imitated, and where it was read."""

    min_replicas: Replicas = 1
    max_replicas: Replicas = 10

    @property
    @abstractmethod
    def interval_seconds(self) -> float:
        """How often upstream's loop looks."""

    @property
    def samples_every_seconds(self) -> float | None:
        """How often upstream samples the replicas itself; None if it reads somebody else's monitoring."""
        return None

    @property
    @abstractmethod
    def requests(self) -> tuple[SignalRequest, ...]:
        """The signals that it wants to see."""

    @abstractmethod
    def step(self, observation: Observation, state: State, now: float) -> Step:
        """Return what one pass of the loop at `now` (UTC epoch seconds) comes to."""

    def within(self, min_replicas: int, max_replicas: int) -> Self:
        """Return the peer with these bounds where its parameters do not name their own."""
        bounds = {"min_replicas": min_replicas, "max_replicas": max_replicas}
        given = {name: getattr(self, name) for name in self.model_fields_set}
        return type(self)(**{**bounds, **given})

    @model_validator(mode="after")
    def _bounds_in_order(self) -> Self:
        if self.min_replicas > self.max_replicas:
            raise ValueError(f"minReplicas {self.min_replicas} must be at most maxReplicas {self.max_replicas}")
        return self


class PeerDecider:
    """Runs a peer at its own pace; fulfils `autoscaler.engine.Decider` and holds nothing but the parameters."""

    __slots__ = ("parameters",)

    def __init__(self, parameters: PeerModel) -> None:
        self.parameters = parameters

    def decide(self, observation: Observation, state: State, now: float) -> tuple[Decision, State]:
        """Return the decision for `now` (UTC epoch seconds) and the state to hand in next time."""
        current = observation.spec_replicas
        pause_seconds = self.parameters.interval_seconds - _EARLY_SECONDS
        if state.last_at is not None and 0 <= now - state.last_at < pause_seconds:
            why = f"the loop runs every {self.parameters.interval_seconds:g} s"
            step = Step(current, Reason.NO_OPINION, (Stage("pace", current, current, why),), state)
        else:
            step = self.parameters.step(observation, state, now)
            step = step._replace(state=step.state._replace(last_at=now, last_replicas=current))
        decision = Decision(
            observation.target,
            now,
            current,
            step.replicas,
            step.reason,
            step.trail,
            step.proposals,
            classify(observation, _STARTUP.expected_seconds, _STARTUP, now),
        )
        return decision, step.state


def remember(state: State, name: str, memory: Memory) -> State:
    """Return the state with the memory kept under `name`."""
    return state._replace(memories={**state.memories, name: memory})


def bounded(replicas: int, minimum: int, maximum: int) -> int:
    """Return the count within the bounds; the upper one wins."""
    return min(max(replicas, minimum), maximum)


def settle(desired: int, limits: tuple[int, int]) -> tuple[int, Reason, Stage]:
    """Return a wanted count within the (min, max) limits, the reason, and the stage that says so."""
    replicas = bounded(desired, *limits)
    reason = Reason.DEMAND
    if replicas != desired:
        reason = Reason.MAX_REPLICAS if replicas < desired else Reason.MIN_REPLICAS
    why = f"{desired} within [{limits[0]}, {limits[1]}]"
    return replicas, reason, Stage("bounds", desired, replicas, why)
