"""Reading all targets and collecting all signals, each with one call and with a deadline of the daemon's own.

Cluster and source promise to answer in time whatever hangs behind them. One that breaks the promise is left behind,
every target holds, and it is not asked again before it has come back.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar

from autoscaler.daemon import decide
from autoscaler.daemon.lanes import Lanes
from autoscaler.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from autoscaler.cluster.facts import TargetFacts, TargetRef
    from autoscaler.cluster.port import Cluster
    from autoscaler.daemon.lanes import Outcome
    from autoscaler.daemon.timing import Timing
    from autoscaler.documents.compile import CompiledTarget
    from autoscaler.engine.observation import Signal
    from autoscaler.sources.source import Source

T = TypeVar("T")

GRACE_SECONDS = 0.5
"""What a call may take beyond the deadline that it was given."""


class Collector:
    """Asks the cluster and the source, one call of each at a time."""

    def __init__(self, cluster: Cluster, source: Source, timing: Timing, pod_port: int | None = None) -> None:
        self._cluster = cluster
        self._source = source
        self._timing = timing
        self._pod_port = pod_port
        self._cluster_lanes: Lanes[Mapping[str, TargetFacts | ClusterError]] = Lanes("observe")
        self._source_lanes: Lanes[Mapping[str, Mapping[str, Signal]]] = Lanes("collect")

    def observe(
        self, refs: Sequence[TargetRef], deadline_seconds: float | None = None
    ) -> Mapping[str, TargetFacts | ClusterError]:
        """Return each target's facts, or the error that stood in the way; never raises."""
        if not refs:
            return {}
        seconds = self._timing.observe_seconds if deadline_seconds is None else deadline_seconds
        call = partial(self._cluster.observe, refs, seconds)
        outcome = self._cluster_lanes.run({"cluster": call}, seconds + GRACE_SECONDS)["cluster"]
        if outcome.value is None:
            error = ClusterError(f"the targets could not be read: {_why(outcome)}")
            return {ref.key: error for ref in refs}
        answers = outcome.value
        return {ref.key: answers.get(ref.key) or ClusterError("the cluster did not answer for it") for ref in refs}

    def collect(
        self, pairs: Mapping[str, tuple[CompiledTarget, TargetFacts]], now: float
    ) -> Mapping[str, Mapping[str, Signal]]:
        """Return every signal that each target asks for; never raises. `now` is the wall clock's."""
        if not pairs:
            return {}
        targets = [decide.source_target(compiled, facts, self._pod_port) for compiled, facts in pairs.values()]
        seconds = self._timing.collect_seconds
        call = partial(self._source.collect, targets, now, seconds)
        outcome = self._source_lanes.run({"source": call}, seconds + GRACE_SECONDS)["source"]
        why = "the source did not answer for it" if outcome.value is not None else _why(outcome)
        answers = outcome.value or {}
        return {key: decide.complete(compiled, answers.get(key, {}), why) for key, (compiled, _) in pairs.items()}


def _why(outcome: Outcome[T]) -> str:
    if outcome.error is not None:
        return f"{type(outcome.error).__name__}: {outcome.error}"
    return f"the answer is {outcome.late}"
