"""Size by requests a second: for requests that resemble each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from autoscaler.engine.observation import REQUEST_RATE, SignalRequest
from autoscaler.engine.proposal import Role
from autoscaler.rules.base import Name, Positive, RuleModel, size

if TYPE_CHECKING:
    from autoscaler.engine.fleet import Fleet
    from autoscaler.engine.observation import Observation
    from autoscaler.engine.proposal import Memory, Proposal


class RequestRate(RuleModel):
    """One replica for every `targetPerReplica` requests a second.

    Most backends count requests when they end: replicas that cannot keep up show no more than what they serve, so
    the rate alone never finds out. Put `pendingRequests` or `queueDepth` beside it.
    """

    type: Literal["requestRate"] = "requestRate"
    name: Name = "requestRate"
    target_per_replica: Positive
    """Requests a second that one replica serves within the objective."""

    role: ClassVar[Role] = Role.SIZE
    needs: ClassVar[tuple[SignalRequest, ...]] = (SignalRequest(REQUEST_RATE),)

    def propose(self, observation: Observation, fleet: Fleet, memory: Memory, now: float) -> tuple[Proposal, Memory]:  # noqa: ARG002
        """Return rate / target as demand."""
        return size(observation.signals, REQUEST_RATE, self.target_per_replica), memory
