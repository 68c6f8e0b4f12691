"""What is achievable and what is not, over the same period as every other cell: from the end of the warm-up on.

The oracle's schedules are those of `autoscaler.experiments.oracle`, but attainment and bill count from the end of the
warm-up only: what it starts before then is free for it, as it is for everybody. The bound is that of the requests that
arrive after the warm-up, with as many replicas ready at its beginning as there may be: nobody has built up more by
then, so the bound holds for all of them.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from autoscaler.experiments.bound import bound_gpu_hours, shortest_start_seconds
from autoscaler.experiments.schedule_family import SHAPES, need, schedule, stretches, trim
from autoscaler.traces.transform import window
from benchmarks.lab.runs import run, scheduled
from benchmarks.lab.scenes import SETTINGS
from benchmarks.scoreboard.cases import OBJECTIVE

if TYPE_CHECKING:
    from autoscaler.experiments.scene import Scene
    from benchmarks.lab.runs import Result

LEANEST, WIDEST, TRIES = 0.8, 2.2, 5
"""Headrooms between which the cheapest schedule of each shape is looked for, by bisection."""
REFINEMENTS = 8
"""Stretches in which the cheapest schedule is tried with a replica less."""


class Found(NamedTuple):
    """The best schedule, and what it came to."""

    result: Result
    met: bool
    variants: int


def best_schedule(place: Scene) -> Found:
    """Return the cheapest schedule of the family that meets the objective; the one nearest to it if none does."""
    wanted, best, nearest = need(place), None, None
    for shape in SHAPES:
        low, high = LEANEST, WIDEST
        for _ in range(TRIES):
            headroom = math.sqrt(low * high)
            plan = schedule(place, wanted, shape, headroom)
            result = run(place, scheduled(plan))
            nearest = max(nearest or result, result, key=lambda one: one.attainment)
            if result.attainment < OBJECTIVE:
                low = headroom
                continue
            high = headroom
            if best is None or result.gpu_hours < best[0].gpu_hours:
                best = (result, plan)
    variants = len(SHAPES) * TRIES
    if best is None:
        if nearest is None:
            raise ValueError("there is no shape to try")
        return Found(nearest, met=False, variants=variants)
    for begin, end in stretches(REFINEMENTS):
        plan = trim(best[1], begin, end, place.min_replicas)
        result = run(place, scheduled(plan))
        if result.attainment >= OBJECTIVE and result.gpu_hours < best[0].gpu_hours:
            best = (result, plan)
    return Found(best[0], met=True, variants=variants + REFINEMENTS)


def bound_after_warm_up(place: Scene) -> tuple[float, str]:
    """Return the lower bound on the GPU-hours after the warm-up, and how it was found."""
    warm, horizon = SETTINGS[place.name].warm_up_seconds, place.course.horizon_seconds
    after = place._replace(
        trace=window(place.trace, warm, math.inf),
        course=replace(place.course, horizon_seconds=horizon - warm, initial_replicas=place.max_replicas),
    )
    bound = bound_gpu_hours(
        after.trace,
        after.model,
        after.objective,
        cold_start_seconds=shortest_start_seconds(place),
        horizon_seconds=after.course.horizon_seconds,
        gpus_per_replica=place.gpus_per_replica,
        attainment=OBJECTIVE,
        initial_replicas=place.max_replicas,
        minimum_replicas=place.min_replicas,
        timer=time.perf_counter,
    )
    return bound.gpu_hours, bound.status
