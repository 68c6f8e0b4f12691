"""The oracle's schedules can be run, meet the objective, and lie between the lower bound and simple fleets."""

import math

import numpy as np
import pytest

from autoscaler.experiments.bound import bound_gpu_hours
from autoscaler.experiments.bound_demand import SHARES, work
from autoscaler.experiments.oracle import oracle, run_schedule
from autoscaler.experiments.schedule import Schedule, ScheduledFleet
from autoscaler.experiments.schedule_family import Shape, need, schedule, stretches, trim
from autoscaler.simulator.replay import Contestant, replay

WAVE = {
    "generator": {
        "requestsPerSecond": 3,
        "durationSeconds": 900,
        "diurnal": {"amplitude": 1.0, "periodSeconds": 900},
        "promptTokens": {"mean": 700},
        "outputTokens": {"mean": 80},
    }
}
SPEC = {
    "preset": "l4-llama-3.1-8b",
    "objective": {"ttftSeconds": 3, "tpotSeconds": 0.2},
    "coldStart": {"seconds": 60, "jitter": 0.0},
    "traffic": WAVE,
    "initialReplicas": 2,
    "seed": 3,
}


@pytest.fixture
def wave(make):
    """Return a scene whose load comes and goes."""
    return make(**SPEC)


def test_a_schedule_is_followed_tick_by_tick(wave):
    """The replay wants what the schedule says at each tick, and its last count from then on."""
    plan = Schedule(wave.course.interval_seconds, (2, 3, 1, 4))
    story = replay(wave.fleet(None), Contestant("plan", ScheduledFleet(plan), ()), wave.course, timer=lambda: 0.0)
    assert [tick.wanted for tick in story.ticks][:6] == [2, 3, 1, 4, 4, 4]


def test_the_oracle_meets_the_objective_between_bound_and_fixed_fleets(wave):
    """Cheaper than the smallest fixed fleet that meets the objective, and never below the bound."""
    pytest.importorskip("scipy")
    found = oracle(wave, compiled=None)
    fixed = math.inf
    for count in range(2, 12):
        scene = wave._replace(course=_starting_with(wave, count))
        outcome = run_schedule(scene, Schedule(15.0, (count,)), None)
        if outcome.attainment >= 0.99:
            fixed = min(fixed, outcome.gpu_hours)
    bound = bound_gpu_hours(
        wave.trace, wave.model, wave.objective, cold_start_seconds=60.0, horizon_seconds=wave.course.horizon_seconds,
        gpus_per_replica=wave.gpus_per_replica, initial_replicas=2, minimum_replicas=1, windows=120,
    )  # fmt: skip
    assert found.attainment >= 0.99
    assert bound.gpu_hours <= found.gpu_hours < fixed < math.inf
    assert 15 <= found.variants <= 30
    again = run_schedule(wave, found.schedule, None)
    assert (again.gpu_hours, again.attainment) == (found.gpu_hours, found.attainment)


def _starting_with(scene, count):
    course = scene.course
    return type(course)(course.horizon_seconds, count, course.startup_seconds, course.interval_seconds)


def test_refinements_only_save(wave):
    """Trimming never makes the result dearer or worse than the objective, and counts as variants."""
    shapes = (Shape(15),)
    plain = oracle(wave, compiled=None, shapes=shapes)
    trimmed = oracle(wave, compiled=None, shapes=shapes, refinements=8)
    assert trimmed.gpu_hours <= plain.gpu_hours
    assert trimmed.attainment >= 0.99
    assert trimmed.variants == plain.variants + 8


def test_side_by_side_is_the_same(wave):
    """Searching in several processes changes nothing."""
    shapes = (Shape(5), Shape(45))
    assert oracle(wave, compiled=None, shapes=shapes, processes=2) == oracle(wave, compiled=None, shapes=shapes)


def test_none_good_enough_is_said(make):
    """Where no schedule meets the objective the cost is not a number, and the best attainment is told."""
    scene = make(**SPEC | {"maxReplicas": 1, "initialReplicas": 1})
    found = oracle(scene, compiled=None, shapes=(Shape(15),))
    assert math.isnan(found.gpu_hours)
    assert 0 < found.attainment < 0.99


def test_need_is_all_the_work(wave):
    """Second by second, demand adds up to the work of all requests: spreading it loses nothing before the horizon."""
    wanted = need(wave)
    crowded = np.full(len(wave.trace.arrival_seconds), math.inf)
    parts = [work(wave.trace, wave.model, crowded, share) for share in range(SHARES)]
    total = sum(float(np.maximum.reduce(column).sum()) for column in zip(*parts, strict=True))
    assert wanted.replicas.sum() == pytest.approx(total, rel=1e-6)
    assert wanted.requests.sum() == len(wave.trace.arrival_seconds)


def test_starts_are_early_and_short_gaps_are_bridged(wave):
    """Two peaks, a cold start apart: wanted from a cold start and a tick before the first to the end of the last."""
    wanted = need(wave)
    level = np.full(len(wanted.replicas), 0.5)
    level[300:315] = level[375:390] = 3.0
    plan = schedule(wave, wanted._replace(replicas=level), Shape(1), 1.0)
    peaks = [(tick + 1) * 15 for tick, count in enumerate(plan.replicas) if count == 3]
    assert peaks == list(range(225, 390, 15))


def test_peaks_that_are_given_up_lower_the_schedule(wave):
    """Giving up a share cuts the peak, and no more requests than that share stand above the cut."""
    wanted = need(wave)
    whole, cut = (schedule(wave, wanted, Shape(15, given_up=share), 1.5) for share in (0.0, 0.05))
    assert max(cut.replicas) < max(whole.replicas)


def test_trimming_takes_one_replica_off_a_stretch():
    """Only the stretch is touched, and the minimum stays."""
    assert trim(Schedule(15.0, (1, 3, 3, 2)), 0.0, 0.5, 1) == Schedule(15.0, (1, 2, 3, 2))
    assert list(stretches(6)) == [(0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1), (0, 0.125), (0.125, 0.25)]
