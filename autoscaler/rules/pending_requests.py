"""Size by the requests waiting or running: additive demand, and the rule to start with."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from autoscaler.engine.observation import PENDING_REQUESTS, SignalRequest
from autoscaler.engine.proposal import Role
from autoscaler.rules.base import Name, Positive, RuleModel, size

if TYPE_CHECKING:
    from autoscaler.engine.fleet import Fleet
    from autoscaler.engine.observation import Observation
    from autoscaler.engine.proposal import Memory, Proposal


class PendingRequests(RuleModel):
    """One replica for every `targetPerReplica` requests that wait or run."""

    type: Literal["pendingRequests"] = "pendingRequests"
    name: Name = "pendingRequests"
    target_per_replica: Positive
    """Requests in flight that one replica serves within the objective."""

    role: ClassVar[Role] = Role.SIZE
    needs: ClassVar[tuple[SignalRequest, ...]] = (SignalRequest(PENDING_REQUESTS),)

    def propose(self, observation: Observation, fleet: Fleet, memory: Memory, now: float) -> tuple[Proposal, Memory]:  # noqa: ARG002
        """Return pending / target as demand."""
        return size(observation.signals, PENDING_REQUESTS, self.target_per_replica), memory
