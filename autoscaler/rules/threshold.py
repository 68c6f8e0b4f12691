"""Above X add A, below Y remove B: for signals that are neither additive nor a latency."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field, StrictBool, model_validator

from autoscaler.engine.observation import LATENCY_SIGNALS, Quality, SignalRequest
from autoscaler.engine.proposal import Kind, Proposal, Role
from autoscaler.rules.base import Count, Finite, Name, RuleModel, missing, not_known, opaque
from autoscaler.rules.latency import Quantile  # noqa: TC001 - pydantic reads it

if TYPE_CHECKING:
    from autoscaler.engine.fleet import Fleet
    from autoscaler.engine.observation import Observation, Signal
    from autoscaler.engine.proposal import Memory


class Threshold(RuleModel):
    """Steps of a fixed size, relative to the ready replicas; between the thresholds the present count is right.

    A step up is not repeated while the replicas of the last one start: they are credited. Nothing is removed while any
    replica starts, nor while the signal is not known whole.
    """

    type: Literal["threshold"] = "threshold"
    name: Name = "threshold"
    signal: Name
    """Any signal, one of the document's own `signals` too."""
    quantile: Quantile | None = None
    """For a latency signal."""
    above: Finite | None = None
    """In the signal's unit: more than this adds replicas."""
    add: Count = 1
    """This many."""
    below: Finite | None = None
    """In the signal's unit: less than this removes replicas."""
    remove: Count = 1
    """This many."""
    per_replica: StrictBool = Field(default=False)
    """Divide the signal by the ready replicas first."""

    role: ClassVar[Role] = Role.SIZE

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.above is None and self.below is None:
            msg = "needs `above`, `below` or both"
            raise ValueError(msg)
        if self.above is not None and self.below is not None and self.below >= self.above:
            msg = f"`below` ({self.below:g}) must be less than `above` ({self.above:g})"
            raise ValueError(msg)
        for step, limit in (("add", "above"), ("remove", "below")):
            if step in self.model_fields_set and getattr(self, limit) is None:
                msg = f"`{step}` needs `{limit}`"
                raise ValueError(msg)
        if (self.signal in LATENCY_SIGNALS) != (self.quantile is not None):
            msg = f"`quantile` belongs to {', '.join(LATENCY_SIGNALS)}, and they need it"
            raise ValueError(msg)
        return self

    @cached_property
    def needs(self) -> tuple[SignalRequest, ...]:
        """The one signal."""
        return (SignalRequest(self.signal, self.quantile),)

    @cached_property
    def _key(self) -> str:
        return self.needs[0].key

    def propose(self, observation: Observation, fleet: Fleet, memory: Memory, now: float) -> tuple[Proposal, Memory]:  # noqa: ARG002
        """Return ready + add, ready - remove, or the present count."""
        signal = observation.signals.get(self._key)
        if signal is None or signal.value is None or signal.quality not in (Quality.OK, Quality.PARTIAL):
            return not_known(opaque(signal, self._key)), memory
        if not fleet.known:
            return not_known("the pods are not known"), memory
        return self._step(signal, fleet), memory

    def _step(self, signal: Signal, fleet: Fleet) -> Proposal:
        spec = fleet.spec_replicas
        ready, value = min(fleet.ready, spec), signal.value or 0.0
        if not ready and self.per_replica:
            return not_known(f"{self._key} per replica, and no replica is ready")
        value = value / ready if self.per_replica else value
        text = f"{self._key} {value:.3g}{' per replica' if self.per_replica else ''}"
        partial = signal.quality is Quality.PARTIAL
        if partial:
            text = f"{text}, {missing(signal)}"
        if self.above is not None and value > self.above:
            count = max(ready + self.add, spec)
            why = f"{text} is above {self.above:g}: {ready} ready + {self.add}"
            return Proposal(Kind.COUNT, count, why, blocks_decrease=partial)
        if self.below is not None and value < self.below and not partial:
            if fleet.starting or not ready:
                why = f"{text} is below {self.below:g}, but only {ready} of {spec} replicas are ready: hold"
                return Proposal(Kind.COUNT, spec, why)
            count = max(ready - self.remove, 0)
            return Proposal(Kind.COUNT, count, f"{text} is below {self.below:g}: {ready} ready - {self.remove}")
        return Proposal(Kind.COUNT, spec, f"{text} is within its thresholds: {spec} stay", blocks_decrease=partial)
