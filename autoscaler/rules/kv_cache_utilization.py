"""Guard by how full the fullest replica's KV cache is: full caches preempt requests, and begin them again."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from autoscaler.engine.observation import (
    KV_CACHE_UTILIZATION,
    PENDING_REQUESTS,
    QUEUE_DEPTH,
    Quality,
    SignalRequest,
)
from autoscaler.engine.proposal import Role, abstain
from autoscaler.rules.base import Name, Percent, opaque
from autoscaler.rules.guard import GuardModel, Reading

if TYPE_CHECKING:
    from autoscaler.engine.fleet import Fleet
    from autoscaler.engine.observation import Observation
    from autoscaler.engine.proposal import Memory, Proposal


class KvCacheUtilization(GuardModel):
    """Steps up while the fullest replica's cache is above `targetPercent`, and forbids a step down near it.

    It looks at the worst replica, for a router that sends long prompts to one of them fills that one. A step needs a
    second sign of load; a veto does not: what the removed replica holds must fit into the others.
    """

    type: Literal["kvCacheUtilization"] = "kvCacheUtilization"
    name: Name = "kvCacheUtilization"
    target_percent: Percent
    """Use of the fullest replica's KV cache above which the guard steps up."""
    veto_percent: Percent = 90.0
    """From this share of the target on, nothing is lowered: 90 % of a target of 90 % is a use of 81 %."""

    role: ClassVar[Role] = Role.GUARD
    needs: ClassVar[tuple[SignalRequest, ...]] = (
        SignalRequest(KV_CACHE_UTILIZATION),
        SignalRequest(QUEUE_DEPTH),
        SignalRequest(PENDING_REQUESTS),
    )

    def propose(self, observation: Observation, fleet: Fleet, memory: Memory, now: float) -> tuple[Proposal, Memory]:
        """Return a step up, a veto, or no opinion."""
        signals = observation.signals
        signal = signals.get(KV_CACHE_UTILIZATION)
        if signal is None or signal.value is None or signal.quality is not Quality.OK:
            return abstain(
                opaque(signal, KV_CACHE_UTILIZATION) or f"{KV_CACHE_UTILIZATION} is partial: no opinion"
            ), memory
        if not fleet.known or not fleet.ready:
            return abstain(f"{KV_CACHE_UTILIZATION} says nothing while no replica is known to be ready"), memory
        value, limit = signal.value, self.target_percent
        text = f"the fullest KV cache {value:.3g} %, target {limit:g} %"
        return self._guard(Reading(value, limit, limit * self.veto_percent / 100.0, text), signals, fleet, memory, now)
