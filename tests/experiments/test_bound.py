"""The lower bound is below whatever meets the objective, however it was made, and not far below the best."""

import itertools
import math
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.errors import UsageError
from autoscaler.experiments.bound import allowed_misses, bound_gpu_hours
from autoscaler.experiments.scene import Objective
from autoscaler.experiments.score import attained
from autoscaler.simulator.fleet import SimulatedFleet
from autoscaler.simulator.model import Serving, replica_model
from autoscaler.traces.trace import Trace
from tests.simulator.fleets import cases

pytest.importorskip("scipy")

OBJECTIVES = (Objective(0.2, 0.02), Objective(2.0, 0.05), Objective(30.0, 1.0))


def trace_of(arrivals, prompts, outputs, hits=None):
    """Return a trace from any sequences."""
    prompts, outputs = np.asarray(prompts, np.int32), np.asarray(outputs, np.int32)
    return Trace("test", np.asarray(arrivals, np.float64), prompts, outputs, prefix_tokens=hits)


def poisson(seed, count, per_second, prompt=600, output=60):
    """Return a trace of lognormal lengths."""
    random = np.random.default_rng(seed)
    arrivals = np.cumsum(random.exponential(1 / per_second, count))
    prompts, outputs = (np.maximum(1, random.lognormal(np.log(mean), 0.7, count)) for mean in (prompt, output))
    return trace_of(arrivals, prompts, outputs)


def outcome(fleet, objective, horizon):
    """Return replica-seconds billed, and the share of requests that met the objective."""
    results = fleet.results()
    lives = fleet.lifetimes()
    billed = sum((horizon if math.isnan(life.gone_at) else life.gone_at) - life.created_at for life in lives)
    return billed, float(attained(results, *objective).sum()) / len(results.outcome)


def shortest_start(fleet, initial):
    """Return the shortest cold start of those that ended, or a time that none took."""
    return min(
        (life.ready_at - life.created_at for life in fleet.lifetimes()[initial:] if not math.isnan(life.ready_at)),
        default=50.0,
    )


@settings(max_examples=150, deadline=None)
@given(
    case=st.booleans().flatmap(lambda everything: cases(40, everything=everything)),
    objective=st.sampled_from(OBJECTIVES),
    windows=st.sampled_from([1, 3, 10, 60]),
)
def test_no_run_beats_the_bound(case, objective, windows):
    """Any fleet, scaled in any way, bills at least the bound for the share of requests that it served in time."""
    fleet = case.play(case.fleet())
    billed, share = outcome(fleet, objective, case.horizon)
    initial = case.actions[0][1]
    bound = bound_gpu_hours(
        trace_of(case.arrivals, case.prompts, case.outputs, case.hits),
        case.model,
        objective,
        cold_start_seconds=shortest_start(fleet, initial),
        horizon_seconds=case.horizon,
        attainment=share,
        initial_replicas=initial,
        windows=windows,
    )
    assert bound.status == "optimal"
    assert bound.gpu_hours * 3600 <= billed * (1 + 1e-9) + 1e-6


def run(trace, model, counts, tick, horizon, cold_start, initial):
    """Return a fleet scaled to one count after another, a tick each."""
    startups = itertools.chain(itertools.repeat(0.0, initial), itertools.repeat(cold_start))
    fleet = SimulatedFleet(model, startups)
    fleet.add_requests(trace.arrival_seconds, trace.prompt_tokens, trace.output_tokens)
    fleet.scale_to(initial, 0.0)
    for place, count in enumerate(counts):
        fleet.scale_to(count, place * tick)
    fleet.advance(horizon)
    return fleet


class Tiny(NamedTuple):
    """A scenario so small that every schedule of it can be run."""

    seed: int
    requests: int
    per_second: float
    starts_at: float
    output: int
    max_sequences: int
    initial: int
    attainment: float
    cold_start: float
    objective: Objective
    ticks: int
    least_part: float
    """Of the cheapest schedule that the bound must reach."""


PATIENT, STRICT = Objective(6.0, 0.3), Objective(2.0, 0.15)
TINY = {
    "a few calls": Tiny(0, 12, 1.0, 1.0, 60, 32, 1, 0.9, 3.0, STRICT, 5, 0.8),
    "one busy replica": Tiny(1, 40, 4.0, 1.0, 60, 32, 1, 0.9, 3.0, STRICT, 5, 0.5),
    "two from nothing": Tiny(3, 40, 4.0, 6.0, 30, 4, 0, 0.8, 2.0, PATIENT, 5, 0.5),
    "slow starts": Tiny(3, 40, 4.0, 6.0, 30, 4, 0, 0.8, 4.0, PATIENT, 5, 0.45),
    "a late crowd": Tiny(4, 30, 8.0, 11.0, 20, 4, 1, 0.9, 2.0, PATIENT, 6, 0.5),
    "two at a time": Tiny(4, 30, 4.0, 11.0, 20, 2, 1, 0.9, 2.0, PATIENT, 6, 0.55),
    "one after the other": Tiny(4, 20, 2.0, 6.0, 12, 1, 1, 0.9, 2.0, PATIENT, 6, 0.65),
}


@pytest.mark.parametrize("name", TINY)
def test_exhaustive_search_finds_nothing_below(name):
    """Of all schedules of up to two replicas, the cheapest that meets the objective is no cheaper than the bound."""
    tiny, tick = TINY[name], 5.0
    trace = poisson(tiny.seed, tiny.requests, tiny.per_second, output=tiny.output)
    trace = trace._replace(arrival_seconds=trace.arrival_seconds + tiny.starts_at)
    model = replica_model("l4-llama-3.1-8b", Serving(max_sequences=tiny.max_sequences))
    horizon, cheapest = tick * tiny.ticks, math.inf
    for counts in itertools.product(range(3), repeat=tiny.ticks):
        fleet = run(trace, model, counts, tick, horizon, tiny.cold_start, tiny.initial)
        billed, share = outcome(fleet, tiny.objective, horizon)
        if share >= tiny.attainment:
            cheapest = min(cheapest, billed)
    bound = bound_gpu_hours(
        trace, model, tiny.objective, cold_start_seconds=tiny.cold_start, horizon_seconds=horizon,
        attainment=tiny.attainment, initial_replicas=tiny.initial, windows=50,
    )  # fmt: skip
    assert math.isfinite(cheapest)
    assert tiny.least_part * cheapest <= bound.gpu_hours * 3600 <= cheapest


def test_one_request_alone_is_known_exactly():
    """A single request costs its own service time and one cold start: nothing is lost in the program."""
    model = replica_model("h100-llama-3.1-8b", Serving(front_seconds=0.0, back_seconds=0.0, token_seconds=0.0))
    trace = trace_of([100.0], [1000], [101])
    service = model.base_seconds * 101 + model.prefill_seconds * 1000 + model.sequence_seconds * 100
    service += model.context_seconds * sum(range(1000, 1100))
    bound = bound_gpu_hours(
        trace, model, Objective(2.0, 0.05), cold_start_seconds=1.0, horizon_seconds=200.0, attainment=1.0, windows=1
    )
    assert bound.gpu_hours * 3600 == pytest.approx(1.0 * service / 200.0 + service, rel=1e-9)


def test_more_windows_tighten():
    """A burst between pauses costs more when the program sees it in finer windows."""
    trace = trace_of(
        np.repeat(np.arange(4) * 100.0 + 100, 300) + np.tile(np.arange(300) * 0.01, 4), [500] * 1200, [100] * 1200
    )
    model = replica_model("l4-llama-3.1-8b")
    bounds = [
        bound_gpu_hours(
            trace, model, Objective(2.0, 0.2), cold_start_seconds=60.0, horizon_seconds=520.0, initial_replicas=4,
            minimum_replicas=1, attainment=0.9, windows=windows,
        ).gpu_hours
        for windows in (4, 64, 512)
    ]  # fmt: skip
    assert bounds[0] < bounds[1] < bounds[2]


def test_what_cannot_be_met_is_infinite():
    """An objective below the time of an empty replica has no scaler, and no finite bound."""
    trace = poisson(0, 50, 1.0)
    bound = bound_gpu_hours(
        trace, replica_model("l4-llama-3.1-8b"), Objective(0.01, 0.05), cold_start_seconds=80.0, horizon_seconds=100.0
    )
    assert bound.gpu_hours == math.inf
    assert bound.status == "unattainable"


def test_a_start_too_late_is_unattainable():
    """Requests that end before any replica can be ready cannot be served by a fleet that begins empty."""
    trace = poisson(0, 50, 10.0)
    arguments = {"cold_start_seconds": 80.0, "horizon_seconds": 100.0}
    model = replica_model("h100-llama-3.1-8b")
    assert bound_gpu_hours(trace, model, Objective(2.0, 0.05), **arguments).gpu_hours == math.inf
    assert bound_gpu_hours(trace, model, Objective(2.0, 0.05), initial_replicas=1, **arguments).gpu_hours < math.inf


def test_minimum_fleet_is_billed():
    """Where a scaler must keep two replicas, the bound is at least two over the horizon; GPUs multiply it."""
    trace = poisson(0, 50, 1.0)
    bound = bound_gpu_hours(
        trace, replica_model("h100-llama-3.1-8b"), Objective(2.0, 0.05), cold_start_seconds=80.0,
        horizon_seconds=3600.0, initial_replicas=2, minimum_replicas=2, gpus_per_replica=4,
    )  # fmt: skip
    assert bound.gpu_hours == pytest.approx(8.0)


def test_giving_up_the_dearest_share_helps():
    """The bound falls as more requests may miss, to nothing where all may."""
    trace = poisson(5, 400, 10.0)
    bounds = [
        bound_gpu_hours(
            trace, replica_model("h100-llama-3.1-8b"), Objective(2.0, 0.05), cold_start_seconds=30.0,
            horizon_seconds=100.0, initial_replicas=1, attainment=attainment, windows=20,
        ).gpu_hours
        for attainment in (1.0, 0.99, 0.9, 0.5, 0.0)
    ]  # fmt: skip
    assert bounds == sorted(bounds, reverse=True)
    assert bounds[0] > bounds[1] > bounds[-1] == 0.0


@pytest.mark.parametrize(
    ("attainment", "requests", "misses"), [(0.99, 100, 1), (0.99, 99, 0), (0.9, 30, 3), (1.0, 5, 0)]
)
def test_allowed_misses(attainment, requests, misses):
    """The share is of all requests, and rounding does not take a miss away."""
    assert allowed_misses(requests, attainment) == misses


@pytest.mark.parametrize(
    "wrong",
    [{"cold_start_seconds": -1.0}, {"horizon_seconds": 0.0}, {"attainment": 1.01}, {"windows": 0}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_numbers_out_of_range_are_refused(wrong):
    """A refusal names the number."""
    arguments = {"cold_start_seconds": 80.0, "horizon_seconds": 100.0} | wrong
    with pytest.raises(UsageError, match=next(iter(wrong)).split("_", maxsplit=1)[0]):
        bound_gpu_hours(poisson(0, 5, 1.0), replica_model("h100-llama-3.1-8b"), Objective(2.0, 0.05), **arguments)


def test_where_time_runs_out_fewer_windows_do():
    """The bound of a coarser program is still a bound, says that it is coarse, and is no higher."""
    trace = poisson(7, 20_000, 40.0)
    arguments = {"cold_start_seconds": 30.0, "horizon_seconds": 600.0, "initial_replicas": 3, "windows": 600}
    model, objective = replica_model("h100-llama-3.1-8b"), Objective(2.0, 0.05)
    fine = bound_gpu_hours(trace, model, objective, **arguments)
    coarse = bound_gpu_hours(trace, model, objective, seconds_limit=0.0, **arguments)
    assert (fine.status, fine.windows) == ("optimal", 600)
    assert coarse.status in ("coarse", "failed")
    assert coarse.windows < 600
    assert 0 <= coarse.gpu_hours <= fine.gpu_hours
