"""Guard by how busy the GPUs are; size by it only where somebody asks for that.

A GPU counts as busy while any kernel runs: a simulated LLM replica reads 93 % at 6 % of its capacity. So being busy is
an opinion only together with a second sign of load, and sizing by it is at the user's own risk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from autoscaler.engine.observation import GPU_UTILIZATION, PENDING_REQUESTS, QUEUE_DEPTH, Quality, SignalRequest
from autoscaler.engine.proposal import Role, abstain
from autoscaler.rules.base import Name, Percent, opaque, ratio
from autoscaler.rules.guard import GuardModel, Reading, sign_of_load

if TYPE_CHECKING:
    from autoscaler.engine.fleet import Fleet
    from autoscaler.engine.observation import Observation
    from autoscaler.engine.proposal import Memory, Proposal


class GpuUtilization(GuardModel):
    """Steps up and forbids a step down while the GPUs are busier than `targetPercent` and there is load.

    With `role: size` it is a ratio rule: ready x utilization / target, and no opinion without a ready replica.
    """

    type: Literal["gpuUtilization"] = "gpuUtilization"
    name: Name = "gpuUtilization"
    target_percent: Percent
    """Mean busy share of the GPUs above which the guard acts, or to which `role: size` scales."""
    role: Role = Role.GUARD
    """`guard` (default) or `size`."""

    needs: ClassVar[tuple[SignalRequest, ...]] = (
        SignalRequest(GPU_UTILIZATION),
        SignalRequest(QUEUE_DEPTH),
        SignalRequest(PENDING_REQUESTS),
    )

    def propose(self, observation: Observation, fleet: Fleet, memory: Memory, now: float) -> tuple[Proposal, Memory]:
        """Return a step up, a veto or no opinion; as a sizing rule a demand."""
        signal = observation.signals.get(GPU_UTILIZATION)
        if self.role is Role.SIZE:
            return ratio(observation.signals, GPU_UTILIZATION, self.target_percent, fleet, " %"), memory
        if signal is None or signal.value is None or signal.quality is not Quality.OK:
            return abstain(opaque(signal, GPU_UTILIZATION) or f"{GPU_UTILIZATION} is partial: no opinion"), memory
        if not fleet.known or not fleet.ready:
            return abstain(f"{GPU_UTILIZATION} says nothing while no replica is known to be ready"), memory
        value, limit = signal.value, self.target_percent
        text = f"GPUs {value:.3g} % busy, target {limit:g} %"
        signals = observation.signals
        if value >= limit and not sign_of_load(signals, fleet, self.pending_target_per_replica):
            return self._quiet(memory, f"{text}, but no other sign of load")
        return self._guard(Reading(value, limit, limit, text), signals, fleet, memory, now)
