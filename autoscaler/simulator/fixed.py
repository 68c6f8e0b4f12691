"""A fixed fleet, as a decider: what every policy has to beat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.engine.decision import Decision, Reason, Stage
from autoscaler.engine.fleet import classify
from autoscaler.engine.spec import Startup

if TYPE_CHECKING:
    from autoscaler.engine.observation import Observation
    from autoscaler.engine.state import State

_STARTUP = Startup()


class FixedFleet:
    """Always wants the same count."""

    def __init__(self, replicas: int) -> None:
        self.replicas = replicas

    def decide(self, observation: Observation, state: State, now: float) -> tuple[Decision, State]:
        """Return the decision for that count; the state stays as it is."""
        current = observation.spec_replicas
        decision = Decision(
            observation.target,
            now,
            current,
            self.replicas,
            Reason.DEMAND,
            (Stage("fixed", current, self.replicas, f"always {self.replicas}"),),
            (),
            classify(observation, _STARTUP.expected_seconds, _STARTUP, now),
        )
        return decision, state
