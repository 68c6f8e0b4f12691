"""Size by generated tokens a second: for requests of very different lengths."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from autoscaler.engine.observation import TOKEN_RATE, SignalRequest
from autoscaler.engine.proposal import Role
from autoscaler.rules.base import Name, Positive, RuleModel, size

if TYPE_CHECKING:
    from autoscaler.engine.fleet import Fleet
    from autoscaler.engine.observation import Observation
    from autoscaler.engine.proposal import Memory, Proposal


class TokenRate(RuleModel):
    """One replica for every `targetPerReplica` generated tokens a second.

    It is throughput, and no demand: full replicas show no more than they can generate. Put `pendingRequests` or
    `queueDepth` beside it.
    """

    type: Literal["tokenRate"] = "tokenRate"
    name: Name = "tokenRate"
    target_per_replica: Positive
    """Generated tokens a second that one replica yields within the objective, well below the most that it can."""

    role: ClassVar[Role] = Role.SIZE
    needs: ClassVar[tuple[SignalRequest, ...]] = (SignalRequest(TOKEN_RATE),)

    def propose(self, observation: Observation, fleet: Fleet, memory: Memory, now: float) -> tuple[Proposal, Memory]:  # noqa: ARG002
        """Return rate / target as demand."""
        return size(observation.signals, TOKEN_RATE, self.target_per_replica), memory
