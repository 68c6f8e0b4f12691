"""Writing counts: side by side, each within the deadline, and what is known of each write afterwards."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from autoscaler.daemon.lanes import Lanes
from autoscaler.daemon.report import Action
from autoscaler.errors import ClusterError, ConflictError, TargetMissing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoscaler.cluster.facts import TargetFacts
    from autoscaler.cluster.port import Cluster
    from autoscaler.daemon.lanes import Outcome


class Wanted(NamedTuple):
    """One count to be written."""

    facts: TargetFacts
    replicas: int


class Written(NamedTuple):
    """What became of one write."""

    action: Action
    detail: str = ""


class Actuator:
    """The only place where a count is written."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._lanes: Lanes[None] = Lanes("write")

    @property
    def in_flight(self) -> frozenset[str]:
        """The targets whose write has not come back."""
        return self._lanes.taken

    def write(self, wanted: Mapping[str, Wanted], deadline_seconds: float) -> Mapping[str, Written]:
        """Write every count; returns within the deadline, and a target that hangs delays no other."""
        calls = {
            key: partial(self._cluster.scale, facts, replicas, deadline_seconds)
            for key, (facts, replicas) in wanted.items()
        }
        return {key: _written(outcome) for key, outcome in self._lanes.run(calls, deadline_seconds).items()}


def _written(outcome: Outcome[None]) -> Written:
    if outcome.late:
        return Written(Action.UNKNOWN if outcome.begun else Action.FAILED, f"the write is {outcome.late}")
    match outcome.error:
        case None:
            return Written(Action.WRITTEN)
        case ConflictError() as error:
            return Written(Action.CONFLICT, str(error))
        case TargetMissing() as error:
            return Written(Action.FAILED, str(error))
        case ClusterError() as error:
            # after a timeout or a cut connection the write may have happened
            return Written(Action.UNKNOWN, str(error))
        case error:
            return Written(Action.UNKNOWN, f"{type(error).__name__}: {error}")
