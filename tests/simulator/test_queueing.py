"""The kernel where theory knows the answer."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from autoscaler.simulator.fleet import SimulatedFleet, compiled_kernel
from autoscaler.simulator.layout import UNLIMITED, Model
from tests.simulator.fleets import BOUNDS

ITERATION_SECONDS = 0.001


def _model(**changes):
    model = Model(
        ITERATION_SECONDS, 0.0, 0.0, 0.0, 0.0, -1, 0.0, 0.0, 0.0, 1, 10_000, 10**9, False, 10**9, 0, UNLIMITED,
        UNLIMITED, math.inf, BOUNDS,
    )  # fmt: skip
    return model._replace(**changes)


def _run(model, arrivals, prompts, outputs):
    fleet = SimulatedFleet(model, itertools.repeat(0.0), compiled=compiled_kernel())
    fleet.add_requests(arrivals, prompts, outputs)
    fleet.scale_to(1, 0.0)
    fleet.advance(1e9)
    return fleet


@pytest.mark.parametrize("load", [0.5, 0.8])
def test_one_sequence_at_a_time_waits_as_pollaczek_and_khinchine_say(load):
    """With a batch of one, the mean wait of M/G/1 is within 4 % of the formula (40,000 requests, seed 3)."""
    random = np.random.default_rng(3)
    count = 40_000
    outputs = random.integers(50, 350, count)
    service = outputs * ITERATION_SECONDS
    arrivals = np.cumsum(random.exponential(service.mean() / load, count))
    results = _run(_model(), arrivals, np.ones(count), outputs).results()
    rate = count / arrivals[-1]
    expected = rate * (service**2).mean() / (2 * (1 - rate * service.mean()))
    wait = (results.finish - results.arrival - service).mean()
    assert expected == pytest.approx(wait, rel=0.04)


def test_requests_in_the_system_integrate_to_their_sojourn():
    """Little's law holds to rounding: the integral of requests in the system is the sum of their times in it."""
    random = np.random.default_rng(4)
    count = 500
    arrivals = np.cumsum(random.exponential(0.05, count))
    model = _model(max_sequences=4, prefill_seconds=1e-4, sequence_seconds=1e-4, context_seconds=1e-7)
    results = _run(model, arrivals, random.integers(1, 300, count), random.integers(1, 200, count)).results()
    moments = np.concatenate([results.arrival, results.finish])
    order = np.argsort(moments)
    inside = np.cumsum(np.repeat([1, -1], count)[order])
    integral = (inside[:-1] * np.diff(moments[order])).sum()
    assert (results.finish - results.arrival).sum() == pytest.approx(integral, rel=1e-12)


def test_tokens_are_conserved():
    """Every prompt token is prefilled once and every output token comes out once, when nothing is preempted."""
    random = np.random.default_rng(6)
    prompts, outputs = random.integers(1, 3000, 300), random.integers(1, 200, 300)
    fleet = _run(_model(max_sequences=16, prefill_seconds=1e-5), np.sort(random.uniform(0, 10, 300)), prompts, outputs)
    (replica,) = fleet.replicas()
    assert (prompts.sum(), outputs.sum(), 300) == (replica.prompt_tokens, replica.output_tokens, replica.completed)


def test_long_prompts_cost_the_square_of_their_length_however_they_are_chunked():
    """The long-prompt term adds e·n² in all: ten chunks of 100 cost what one of 1,000 does, plus nine iterations."""
    firsts = []
    for budget in (100, 1000):
        model = _model(budget_tokens=budget, square_seconds=1e-6)
        firsts.append(_run(model, [0.0], [1000], [1]).results().first_token[0])
    assert firsts == pytest.approx([10 * ITERATION_SECONDS + 1.0, ITERATION_SECONDS + 1.0])


def test_the_hinge_makes_small_iterations_free():
    """Tokens up to the hinge cost nothing beyond the base, those above it cost as ever, decoding ones included."""
    model = _model(hinge_tokens=100, prefill_seconds=0.01)
    assert pytest.approx(_run(model, [0.0], [100], [1]).results().first_token[0]) == ITERATION_SECONDS
    assert pytest.approx(_run(model, [0.0], [150], [1]).results().first_token[0]) == ITERATION_SECONDS + 0.5


def test_mean_field_tpot():
    """At a load of a third, the mean TPOT is within 4 % of a / (1 - load), the mean-field formula."""
    random = np.random.default_rng(8)
    count, a, b, c, d = 8000, 6.42e-3, 19.6e-6, 4e-6, 5e-8
    prompts, outputs = np.full(count, 1000), np.full(count, 200)
    work = b * 1000 + 200 * (c + d * 1100)
    arrivals = np.cumsum(random.exponential(work / 0.33, count))
    model = _model(base_seconds=a, prefill_seconds=b, sequence_seconds=c, context_seconds=d, max_sequences=256)
    results = _run(model, arrivals, prompts, outputs).results()
    tpot = ((results.finish - results.first_token) / 199).mean()
    assert a / (1 - 0.33) == pytest.approx(tpot, rel=0.04)
