"""What is achievable: the cheapest of a family of schedules made with the trace known, each run through the simulator.

It is no optimum. With the lower bound (`bound`) it encloses one.
"""

from __future__ import annotations

import math
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import TYPE_CHECKING, NamedTuple

from autoscaler.experiments.schedule import Schedule, ScheduledFleet
from autoscaler.experiments.schedule_family import SHAPES, Need, Shape, need, schedule, stretches, trim
from autoscaler.experiments.score import attained
from autoscaler.simulator.fleet import compiled_kernel
from autoscaler.simulator.replay import Contestant, replay

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autoscaler.experiments.scene import Scene
    from autoscaler.simulator.fleet import Advance

_TRIES = 5
"""Headrooms tried per shape."""
_LEANEST, _WIDEST = 0.8, 2.2


class Outcome(NamedTuple):
    """One schedule, and what it came to."""

    gpu_hours: float
    attainment: float
    schedule: Schedule


class Oracle(NamedTuple):
    """The cheapest schedule that met the objective."""

    gpu_hours: float
    """NaN if none did."""
    attainment: float
    """Of the cheapest; of the best one if none met the objective."""
    schedule: Schedule
    variants: int
    """How many were simulated."""


def oracle(
    scene: Scene,
    *,
    compiled: Advance | None,
    attainment: float = 0.99,
    shapes: Sequence[Shape] = SHAPES,
    refinements: int = 0,
    processes: int = 1,
) -> Oracle:
    """Return the cheapest schedule of the family that meets the objective for a share `attainment` of the requests.

    With `processes` above 1 the shapes are searched side by side, each in a process of its own. With `refinements`
    the cheapest is then trimmed, by so many more simulations: a replica less for some time, where that still will do.
    """
    if processes > 1:
        search = partial(_search_alone, scene, need(scene), attainment, use_compiled=compiled is not None)
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            outcomes = [outcome for found in pool.map(search, shapes) for outcome in found]
    else:
        wanted = need(scene)
        outcomes = [outcome for shape in shapes for outcome in _search(scene, wanted, compiled, attainment, shape)]
    variants = len(outcomes) + refinements
    good = [outcome for outcome in outcomes if outcome.attainment >= attainment]
    if not good:
        best = max(outcomes, key=lambda outcome: outcome.attainment)
        return Oracle(math.nan, best.attainment, best.schedule, len(outcomes))
    best = min(good, key=lambda outcome: outcome.gpu_hours)
    for begin, end in stretches(refinements):
        outcome = run_schedule(scene, trim(best.schedule, begin, end, scene.min_replicas), compiled)
        if outcome.attainment >= attainment and outcome.gpu_hours < best.gpu_hours:
            best = outcome
    return Oracle(best.gpu_hours, best.attainment, best.schedule, variants)


def run_schedule(scene: Scene, plan: Schedule, compiled: Advance | None) -> Outcome:
    """Return what a schedule comes to in the simulator."""
    fleet = scene.fleet(compiled)
    replay(fleet, Contestant("oracle", ScheduledFleet(plan), ()), scene.course, timer=lambda: 0.0)
    results = fleet.results()
    share = float(attained(results, *scene.objective).sum()) / max(1, len(results.outcome))
    horizon = scene.course.horizon_seconds
    lives = fleet.lifetimes()
    billed = sum((horizon if math.isnan(life.gone_at) else life.gone_at) - life.created_at for life in lives)
    return Outcome(billed * scene.gpus_per_replica / 3600, share, plan)


def _search_alone(scene: Scene, wanted: Need, attainment: float, shape: Shape, *, use_compiled: bool) -> list[Outcome]:
    """Return what `_search` does, in a process that has to find the compiled kernel for itself."""
    return _search(scene, wanted, compiled_kernel() if use_compiled else None, attainment, shape)


def _search(scene: Scene, wanted: Need, compiled: Advance | None, attainment: float, shape: Shape) -> list[Outcome]:
    """Return the outcomes of a bisection over the headroom of one shape."""
    outcomes: list[Outcome] = []
    low, high = _LEANEST, _WIDEST
    for _ in range(_TRIES):
        headroom = math.sqrt(low * high)
        outcome = run_schedule(scene, schedule(scene, wanted, shape, headroom), compiled)
        outcomes.append(outcome)
        if outcome.attainment >= attainment:
            high = headroom
        else:
            low = headroom
    return outcomes
