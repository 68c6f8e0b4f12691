"""Guard an objective for latency: P99 is not linear in replicas, so it corrects and never sizes."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from autoscaler.engine.observation import PENDING_REQUESTS, QUEUE_DEPTH, Quality, SignalRequest
from autoscaler.engine.proposal import Role, abstain
from autoscaler.rules.base import Name, NotNegative, Percent, PolicyContext, Positive, opaque
from autoscaler.rules.guard import GuardModel, Reading

if TYPE_CHECKING:
    from typing import Self

    from autoscaler.engine.fleet import Fleet
    from autoscaler.engine.observation import Observation
    from autoscaler.engine.proposal import Memory, Proposal

Quantile = Annotated[float, Field(strict=True, gt=0, lt=1)]


class Latency(GuardModel):
    """Steps up while a quantile of latency is above its objective, and forbids a step down near it.

    Without traffic, and below `minSamples`, there is no opinion: neither a step nor a veto.
    """

    type: Literal["latency"] = "latency"
    name: Name = "latency"
    signal: Literal["timeToFirstToken", "endToEnd", "queueTime"]
    """Time to first token and queue time lead; end-to-end lags by a request's length."""
    quantile: Quantile = 0.99
    """Which one: 0.99 means that one request in a hundred may be slower."""
    objective_seconds: Positive | None = None
    """What the quantile should not exceed. A histogram cannot tell values within one bucket apart. Left out, for
    `timeToFirstToken`, the target's `objective.ttftSeconds`."""
    min_samples: NotNegative = 20.0
    """Requests that must stand behind the quantile: fewer say little of a tail. A query of the document's own does not
    count its samples, and is taken as enough."""
    veto_percent: Percent = 80.0
    """From this share of the objective on, nothing is lowered: one replica fewer could break it."""

    role: ClassVar[Role] = Role.GUARD

    @model_validator(mode="after")
    def _has_an_objective(self) -> Self:
        if self.objective_seconds is None and self.signal != "timeToFirstToken":
            raise ValueError(f"needs `objectiveSeconds`: a target's objective says nothing of {self.signal}")
        return self

    def bind(self, context: PolicyContext) -> Self:
        """Return the guard as every other is bound, with the target's objective if it has none of its own."""
        bound = super().bind(context)
        if bound.objective_seconds is not None:
            return bound
        return bound.model_copy(update={"objective_seconds": context.ttft_seconds})

    @cached_property
    def needs(self) -> tuple[SignalRequest, ...]:
        """The quantile, and the two signs of load."""
        return (SignalRequest(self.signal, self.quantile), SignalRequest(QUEUE_DEPTH), SignalRequest(PENDING_REQUESTS))

    @cached_property
    def _key(self) -> str:
        return self.needs[0].key

    def propose(self, observation: Observation, fleet: Fleet, memory: Memory, now: float) -> tuple[Proposal, Memory]:
        """Return a step up, a veto, or no opinion."""
        key, signals, objective = self._key, observation.signals, self.objective_seconds
        if objective is None:
            return abstain(f"{key} has no objective: neither objectiveSeconds nor the target's objective"), memory
        signal = signals.get(key)
        if signal is not None and signal.quality is Quality.NAN:
            return self._quiet(memory, f"{key} is NaN: no traffic, no opinion")
        if signal is None or signal.value is None or signal.quality is not Quality.OK:
            return abstain(opaque(signal, key) or f"{key} is {Quality.PARTIAL.value}: no opinion"), memory
        if signal.samples is not None and signal.samples < self.min_samples:
            return abstain(f"{key} rests on {signal.samples:g} requests, fewer than {self.min_samples:g}"), memory
        if not fleet.known or not fleet.ready:
            return abstain(f"{key} says nothing while no replica is known to be ready"), memory
        value = signal.value
        text = f"{key} {value:.3g} s, objective {objective:g} s"
        reading = Reading(value, objective, objective * self.veto_percent / 100.0, text)
        return self._guard(reading, signals, fleet, memory, now)
