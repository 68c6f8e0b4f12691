"""What must be the same at both ends: requests, tokens, KV cache, and the time that requests spend in the fleet."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings

from autoscaler.simulator import kernel
from autoscaler.simulator.fleet import SimulatedFleet
from tests.simulator.fleets import cases
from tests.validation.models import plain_model


def _fixed(case):
    """Return the case with the replicas of its beginning, one at least, and nothing in the way at the gateway."""
    return case._replace(actions=[(0.0, max(1, case.actions[0][1]))])


@settings(max_examples=60, deadline=None)
@given(cases())
def test_littles_law_is_exact(case):
    """The integral of the requests that snapshots show is the sum of the sojourns that the arrays show, to rounding."""
    case = _fixed(case._replace(model=case.model._replace(front_seconds=0.0, back_seconds=0.0, token_seconds=0.0)))
    fleet = case.fleet()
    integral, inside = 0.0, 0
    while (at := fleet.next_event()) < math.inf:
        integral += inside * (at - fleet.now)
        fleet.advance(at)
        shown = fleet.snapshot()
        inside = int(shown.waiting.sum() + shown.running.sum()) + fleet.gateway_waiting()
    results = fleet.results()
    assert (results.outcome != kernel.PENDING).all()
    sojourns = float((results.finish - results.arrival).sum())
    assert math.isclose(integral, sojourns, rel_tol=1e-11, abs_tol=1e-11)


@settings(max_examples=60, deadline=None)
@given(cases())
def test_requests_tokens_and_cache_are_conserved(case):
    """Each request has one fate, each output token comes out once, each prompt is prefilled, and all KV is given back.

    Preempted requests are prefilled again, so with preemption the prompts are but a lower bound.
    """
    fleet = _fixed(case).play(_fixed(case).fleet())
    fleet.advance(case.horizon + 1e6)
    results, shown = fleet.results(), fleet.snapshot()
    done = results.outcome == kernel.COMPLETED
    fates = [int((results.outcome == fate).sum()) for fate in (kernel.COMPLETED, kernel.REJECTED, kernel.TIMED_OUT)]
    assert sum(fates) == len(case.arrivals)
    assert shown.completed.sum() == fates[0]
    assert shown.output_tokens.sum() == results.output_tokens[done].sum()
    prefilled, prompts = int(shown.prompt_tokens.sum()), int(results.prompt_tokens[done].sum())
    assert prefilled == prompts if fleet.preemptions() == 0 else prefilled >= prompts
    assert 0 == shown.held_tokens.sum() == shown.waiting.sum() == shown.running.sum()
    assert shown.histograms[:, kernel.TOTAL_TIME].sum() == shown.histograms[:, kernel.QUEUE_TIME].sum() == fates[0]
    assert np.isfinite(results.first_token[done]).all()
    assert np.isnan(results.first_token[~done]).all()


def test_cache_in_use_is_the_context_of_the_requests_in_it():
    """At any moment, KV in use is the prompt and generated tokens of the running requests, as seen from outside.

    Requests of known iterations: all present at 0, prefilled at once, one token each iteration of 10 ms.
    """
    model = plain_model(base_seconds=0.01, prefill_seconds=0.0, sequence_seconds=0.0, context_seconds=0.0)
    fleet = SimulatedFleet(model, iter([0.0]))
    prompts, outputs = np.array([100, 30, 7]), np.array([5, 9, 2])
    fleet.add_requests(np.zeros(3), prompts, outputs)
    fleet.scale_to(1, 0.0)
    for iteration in range(12):
        fleet.advance(0.01 * iteration + 0.005)
        running = iteration < outputs
        expected = int((prompts + np.maximum(0, iteration - 1))[running].sum())
        assert fleet.snapshot().held_tokens[0] == expected
