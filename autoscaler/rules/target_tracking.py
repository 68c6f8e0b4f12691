"""Size by any signal, one of the document's own too, in one of the two forms that autoscaling/v2 has for it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import model_validator

from autoscaler.engine.observation import LATENCY_SIGNALS, SignalRequest
from autoscaler.engine.proposal import Role
from autoscaler.rules.base import Name, Positive, RuleModel, ratio, size
from autoscaler.rules.latency import Quantile  # noqa: TC001 - pydantic reads it

if TYPE_CHECKING:
    from autoscaler.engine.fleet import Fleet
    from autoscaler.engine.observation import Observation
    from autoscaler.engine.proposal import Memory, Proposal


class TargetTracking(RuleModel):
    """Keeps a signal at its target, as an HPA's metric of type `External` or `Object` does.

    `AverageValue`: the signal is a total, shared by the replicas, and the demand is total / target, also without a
    ready one. `Value`: the signal tells how loaded the replicas are, whatever their number, and the demand is
    ready x value / target. The wrong form runs to a bound: a total taken for a ratio grows with every replica.
    """

    type: Literal["targetTracking"] = "targetTracking"
    name: Name = "targetTracking"
    signal: Name
    """Any signal, one of the document's own `signals` too."""
    quantile: Quantile | None = None
    """For a latency signal. Latency is not linear in replicas: the rule `latency` guards it better."""
    form: Literal["AverageValue", "Value"]
    """`AverageValue`: the target is per replica. `Value`: the target is the signal's own."""
    target: Positive
    """In the signal's unit."""

    role: ClassVar[Role] = Role.SIZE

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if (self.signal in LATENCY_SIGNALS) != (self.quantile is not None):
            msg = f"`quantile` belongs to {', '.join(LATENCY_SIGNALS)}, and they need it"
            raise ValueError(msg)
        if self.quantile is not None and self.form == "AverageValue":
            raise ValueError("`form` must be Value for a latency signal: a latency is no total that replicas share")
        return self

    @cached_property
    def needs(self) -> tuple[SignalRequest, ...]:
        """The one signal."""
        return (SignalRequest(self.signal, self.quantile),)

    def propose(self, observation: Observation, fleet: Fleet, memory: Memory, now: float) -> tuple[Proposal, Memory]:  # noqa: ARG002
        """Return total / target, or ready x value / target, as demand."""
        key = self.needs[0].key
        if self.form == "AverageValue":
            return size(observation.signals, key, self.target), memory
        return ratio(observation.signals, key, self.target, fleet), memory
