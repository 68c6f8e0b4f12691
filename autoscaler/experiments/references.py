"""Two clairvoyant references beside every result: what no scaler can do without, and what one that knows can reach."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from autoscaler.errors import UsageError
from autoscaler.peers.base import PeerDecider
from autoscaler.peers.fixed import Fixed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from autoscaler.experiments.compare import Comparison, Run
    from autoscaler.experiments.scene import Scene
    from autoscaler.simulator.fleet import Advance
    from autoscaler.simulator.replay import Contestant

ATTAINMENT = 0.99
"""The share of requests that must meet the objective, for both references."""

NOT_ASKED = "not asked for: --oracle"


class References(NamedTuple):
    """What was found of the references, in words."""

    bound: str
    """`optimal`, or why there is no bound or no tight one."""
    oracle: str
    attainment: float = ATTAINMENT

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return self._asdict()


def with_references(
    comparison: Comparison,
    contestants: Sequence[Contestant],
    *,
    timer: Callable[[], float],
    compiled: Advance | None,
    seconds_limit: float,
    ask_oracle: bool = False,
    jobs: int = 1,
) -> Comparison:
    """Return the comparison with the bound in every result, and with the oracle's GPU-hours if it is asked.

    The oracle is tried with `jobs` processes. Neither fails the comparison: the reason stands in its references.
    """
    bounds = _Bounds(comparison.scene, seconds_limit, timer)
    hours, said = math.nan, NOT_ASKED
    if ask_oracle:
        hours, said = _oracle(comparison.scene, compiled, jobs)
    minima = [_minimum(contestant, comparison.scene) for contestant in contestants]
    pairs = zip(comparison.runs, minima, strict=False)
    runs = tuple(_refer(run, bounds.gpu_hours(minimum), hours) for run, minimum in pairs)
    return comparison._replace(runs=runs, references=References(bounds.said, said))


def _refer(run: Run, bound: float, oracle: float) -> Run:
    return run._replace(score=run.score._replace(bound_gpu_hours=bound, oracle_gpu_hours=oracle))


def _minimum(contestant: Contestant, scene: Scene) -> int:
    """Return how many replicas a contestant keeps whatever comes: a fixed fleet may be below the scenario's minimum."""
    decider = contestant.decider
    fixed = decider.parameters if isinstance(decider, PeerDecider) else None
    return min(scene.min_replicas, fixed.replicas) if isinstance(fixed, Fixed) else scene.min_replicas


class _Bounds:
    """Bounds by the minimum of replicas; each is worked out once."""

    def __init__(self, scene: Scene, seconds_limit: float, timer: Callable[[], float]) -> None:
        self._scene = scene
        self._seconds_limit = seconds_limit
        self._timer = timer
        self._known: dict[int, float] = {}
        self.said = "no result"

    def gpu_hours(self, minimum: int) -> float:
        """Return the bound; NaN where it cannot be had, infinity where nothing meets the objective."""
        if minimum not in self._known:
            self._known[minimum] = self._find(minimum)
        return self._known[minimum]

    def _find(self, minimum: int) -> float:
        # scipy is slow to import, and not everywhere
        from autoscaler.experiments.bound import bound_gpu_hours, shortest_start_seconds  # noqa: PLC0415

        scene = self._scene
        try:
            bound = bound_gpu_hours(
                scene.trace,
                scene.model,
                scene.objective,
                cold_start_seconds=shortest_start_seconds(scene),
                horizon_seconds=scene.course.horizon_seconds,
                gpus_per_replica=scene.gpus_per_replica,
                attainment=ATTAINMENT,
                initial_replicas=scene.course.initial_replicas,
                minimum_replicas=minimum,
                seconds_limit=self._seconds_limit,
                timer=self._timer,
            )
        except UsageError as error:
            self.said = str(error)
            return math.nan
        self.said = bound.status
        return bound.gpu_hours


def _oracle(scene: Scene, compiled: Advance | None, jobs: int) -> tuple[float, str]:
    from autoscaler.experiments.oracle import oracle  # noqa: PLC0415

    found = oracle(scene, compiled=compiled, attainment=ATTAINMENT, processes=jobs)
    if math.isnan(found.gpu_hours):
        best = f"none of {found.variants} schedules met the objective (the best one: {100 * found.attainment:.1f} %)"
        return math.nan, best
    return found.gpu_hours, f"the cheapest of {found.variants} schedules: {100 * found.attainment:.2f} %"
