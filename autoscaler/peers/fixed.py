"""A fixed fleet: what every autoscaler has to beat."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from autoscaler.engine.decision import Reason, Stage
from autoscaler.peers.base import PeerModel, Replicas, Step

if TYPE_CHECKING:
    from autoscaler.engine.observation import Observation, SignalRequest
    from autoscaler.engine.state import State


class Fixed(PeerModel):
    """Always the same count, whatever the bounds."""

    follows: ClassVar[str] = "a Deployment's replicas"

    replicas: Replicas

    @property
    def interval_seconds(self) -> float:
        """There is nothing to look at; a count that somebody changed is set back at the usual pace."""
        return 15.0

    @property
    def requests(self) -> tuple[SignalRequest, ...]:
        """None."""
        return ()

    def step(self, observation: Observation, state: State, now: float) -> Step:  # noqa: ARG002 - it never changes
        """Return the count."""
        stage = Stage("fixed", observation.spec_replicas, self.replicas, f"always {self.replicas}")
        return Step(self.replicas, Reason.DEMAND, (stage,), state)
