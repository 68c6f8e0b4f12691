"""What every rule is made of: a frozen model of its parameters, and the word for a signal that is not known."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pydantic import BaseModel

from autoscaler.engine.observation import Quality
from autoscaler.engine.proposal import Kind, Proposal
from autoscaler.quantities import FROZEN, Count, Finite, Name, NotNegative, Percent, Positive

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from autoscaler.engine.fleet import Fleet
    from autoscaler.engine.observation import Signal
    from autoscaler.rules.iteration import Iteration

__all__ = ["Count", "Finite", "Name", "NotNegative", "Percent", "Positive"]


class PolicyContext(NamedTuple):
    """What a rule may learn of the policy it stands in, and of the target it is used for."""

    max_replicas: int
    pending_target_per_replica: float | None
    """Of the policy's `pendingRequests` rule; None without one."""
    preset: str | None = None
    """GPU and model that the target's replicas are, by the name of a replica preset; None where nobody says."""
    iteration: Iteration | None = None
    """Iteration times of the target's own, in place of a preset."""
    ttft_seconds: float | None = None
    """The time to first token that the target promises; None where nobody says."""
    tpot_seconds: float | None = None
    """The time per output token that the target promises; None where nobody says."""


class Parameters(BaseModel):
    """A rule's parameters, or a part of them: camelCase, unknown ones refused, nothing changed after it was read."""

    model_config = FROZEN


class RuleModel(Parameters):
    """The base of every rule.

    A subclass adds `type` (a Literal with a default), `name` (defaults to the type), `role`, `needs` and `propose`,
    and so fulfils `autoscaler.engine.proposal.Rule`.
    """

    def bind(self, context: PolicyContext) -> Self:  # noqa: ARG002 - a rule that needs nothing of it is the usual case
        """Return the rule as it stands in one target's policy: parameters left out are taken from `context`."""
        return self


def opaque(signal: Signal | None, key: str) -> str:
    """Return why the signal `key` has no value to go by, for a person; empty if it is ok or partial."""
    if signal is None:
        return f"{key} is unknown: nobody collected it"
    if signal.value is None or signal.quality not in (Quality.OK, Quality.PARTIAL):
        return f"{key} is unknown ({signal.quality.value}{': ' if signal.detail else ''}{signal.detail})"
    return ""


def size(signals: Mapping[str, Signal], key: str, target_per_replica: float) -> Proposal:
    """Return the demand of an additive signal: total / target, e.g. `103 pendingRequests / 24 per replica = 4.29`.

    Not known is no demand and blocks a decrease. Missing pods count as zero, which may raise and never lower.
    """
    signal = signals.get(key)
    if signal is not None and signal.value is not None:
        demand = signal.value / target_per_replica
        if signal.quality is Quality.OK:
            return Proposal(
                Kind.DEMAND, demand, f"{signal.value:g} {key} / {target_per_replica:g} per replica = {demand:.3g}"
            )
        if signal.quality is Quality.PARTIAL:
            reason = f"{signal.value:g} {key} / {target_per_replica:g} per replica = {demand:.3g}, {missing(signal)}"
            return Proposal(Kind.DEMAND, demand, reason, blocks_decrease=True)
    return not_known(opaque(signal, key))


def ratio(signals: Mapping[str, Signal], key: str, target: float, fleet: Fleet, unit: str = "") -> Proposal:
    """Return the demand of a signal that is the same whatever the number of replicas: ready x value / target.

    Worked: 4 ready at 90 % with a target of 60 % fill 6. As a HorizontalPodAutoscaler's `Utilization` and `Value`,
    it rests on the ready replicas; without one there is nothing to multiply, and no opinion.
    """
    signal = signals.get(key)
    if signal is None or signal.value is None or signal.quality not in (Quality.OK, Quality.PARTIAL):
        return not_known(opaque(signal, key))
    ready = min(fleet.ready, fleet.spec_replicas)
    if not fleet.known or not ready:
        return not_known(f"{key} is a ratio, and no replica is known to be ready")
    demand = ready * signal.value / target
    reason = f"{ready} ready * {signal.value:.3g}{unit} / {target:g}{unit} = {demand:.3g}"
    if signal.quality is Quality.PARTIAL:
        return Proposal(Kind.DEMAND, demand, f"{reason}, {missing(signal)}", blocks_decrease=True)
    return Proposal(Kind.DEMAND, demand, reason)


def missing(signal: Signal) -> str:
    """Return how much of a partial signal is missing, for a person."""
    return f"{signal.missing} of {signal.pods + signal.missing} replicas did not report"


def not_known(reason: str) -> Proposal:
    """Return a sizing rule's answer to a signal that is not known: no opinion, and nothing may be lowered."""
    return Proposal(Kind.ABSTAIN, 0, reason, blocks_decrease=True)
