"""Size by the CPU that the pods use of what they request: for those who come from a HorizontalPodAutoscaler."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from autoscaler.engine.observation import CPU_UTILIZATION, SignalRequest
from autoscaler.engine.proposal import Role
from autoscaler.rules.base import Name, Positive, RuleModel, ratio

if TYPE_CHECKING:
    from autoscaler.engine.fleet import Fleet
    from autoscaler.engine.observation import Observation
    from autoscaler.engine.proposal import Memory, Proposal


class CpuUtilization(RuleModel):
    """A ratio rule as `averageUtilization` of the resource `cpu`: ready x utilization / target.

    The signal is cAdvisor's and kube-state-metrics', from Prometheus. A GPU's server spends little of its CPU on what
    makes it slow: this rule is for tokenizers, routers and models that run on CPUs.
    """

    type: Literal["cpuUtilization"] = "cpuUtilization"
    name: Name = "cpuUtilization"
    target_percent: Positive
    """Percent of the pods' CPU requests; may be above 100, for a request is no limit."""

    role: ClassVar[Role] = Role.SIZE
    needs: ClassVar[tuple[SignalRequest, ...]] = (SignalRequest(CPU_UTILIZATION),)

    def propose(self, observation: Observation, fleet: Fleet, memory: Memory, now: float) -> tuple[Proposal, Memory]:  # noqa: ARG002
        """Return ready x utilization / target as demand."""
        return ratio(observation.signals, CPU_UTILIZATION, self.target_percent, fleet, " %"), memory
