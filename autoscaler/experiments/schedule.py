"""A schedule: how many replicas are wanted at each tick, known beforehand; and the decider that follows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from autoscaler.engine.decision import Decision, Reason, Stage
from autoscaler.engine.fleet import classify
from autoscaler.engine.spec import Startup
from autoscaler.simulator.replay import EPOCH_SECONDS

if TYPE_CHECKING:
    from autoscaler.engine.observation import Observation
    from autoscaler.engine.state import State

_STARTUP = Startup()


class Schedule(NamedTuple):
    """Replicas by tick; the last count stays."""

    interval_seconds: float
    replicas: tuple[int, ...]
    """The first one is wanted from the first tick on."""

    def at(self, seconds: float) -> int:
        """Return the count at a moment of the simulation, the first one before the first tick."""
        tick = round(seconds / self.interval_seconds) - 1
        return self.replicas[min(max(tick, 0), len(self.replicas) - 1)]


class ScheduledFleet:
    """Wants what the schedule says, whatever it sees."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule

    def decide(self, observation: Observation, state: State, now: float) -> tuple[Decision, State]:
        """Return the schedule's count; the state stays as it is."""
        current = observation.spec_replicas
        wanted = self.schedule.at(now - EPOCH_SECONDS)
        decision = Decision(
            observation.target,
            now,
            current,
            wanted,
            Reason.DEMAND,
            (Stage("schedule", current, wanted, "the schedule"),),
            (),
            classify(observation, _STARTUP.expected_seconds, _STARTUP, now),
        )
        return decision, state
