"""Size by the requests waiting: backlog, not demand, so it belongs beside `pendingRequests`."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from autoscaler.engine.observation import QUEUE_DEPTH, SignalRequest
from autoscaler.engine.proposal import Role
from autoscaler.rules.base import Name, Positive, RuleModel, size

if TYPE_CHECKING:
    from autoscaler.engine.fleet import Fleet
    from autoscaler.engine.observation import Observation
    from autoscaler.engine.proposal import Memory, Proposal


class QueueDepth(RuleModel):
    """One replica for every `targetPerReplica` requests that wait.

    Alone it cycles: the queue empties, the replicas go, the queue comes back.
    """

    type: Literal["queueDepth"] = "queueDepth"
    name: Name = "queueDepth"
    target_per_replica: Positive
    """Waiting requests that are tolerable per replica."""

    role: ClassVar[Role] = Role.SIZE
    needs: ClassVar[tuple[SignalRequest, ...]] = (SignalRequest(QUEUE_DEPTH),)

    def propose(self, observation: Observation, fleet: Fleet, memory: Memory, now: float) -> tuple[Proposal, Memory]:  # noqa: ARG002
        """Return waiting / target as demand."""
        return size(observation.signals, QUEUE_DEPTH, self.target_per_replica), memory
