"""How results must change when the question changes: exact relations, each in the domain where it is a theorem.

More memory and faster coefficients do hurt single requests of open traffic: whoever arrives just after the end of an
iteration waits for the next one, and what that one holds depends on all of the past (two tests show it). The theorems
are for requests that are all there at the beginning, or for one at a time; for open traffic, means are compared.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.simulator import kernel
from autoscaler.simulator.fleet import SimulatedFleet, compiled_kernel
from tests.simulator.fleets import cases
from tests.validation.models import plain_model

TIMES = (
    "base_seconds", "prefill_seconds", "sequence_seconds", "context_seconds", "square_seconds", "front_seconds",
    "back_seconds", "token_seconds", "timeout_seconds",
)  # fmt: skip


def _run(model, arrivals, prompts, outputs, *, replicas=1, startups=None):
    fleet = SimulatedFleet(model, iter(startups or [0.0] * replicas), compiled=compiled_kernel())
    fleet.add_requests(arrivals, prompts, outputs)
    fleet.scale_to(replicas, 0.0)
    fleet.advance(float(arrivals[-1]) + 1e6)
    return fleet


@st.composite
def bursts(draw, longest_outputs=40):
    """Draw a model and requests that are all there at time 0, some of them larger than what is free."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.integers(1, 40))
    model = plain_model(
        base_seconds=draw(st.sampled_from([0.006, 0.05])),
        prefill_seconds=draw(st.sampled_from([0.0, 1e-4, 3e-3])),
        sequence_seconds=draw(st.sampled_from([0.0, 1e-3])),
        context_seconds=draw(st.sampled_from([0.0, 5e-5])),
        max_sequences=draw(st.integers(1, 8)),
        kv_tokens=draw(st.sampled_from([150, 200, 400])),
        conservative=draw(st.booleans()),
        budget_tokens=draw(st.sampled_from([9, 40, 8192])),
    )
    return model, np.zeros(count), random.integers(1, 100, count), random.integers(1, longest_outputs, count)


@settings(max_examples=60, deadline=None)
@given(cases())
def test_twice_the_time_gives_twice_the_results(case):
    """All times doubled, coefficients and arrivals and cold starts, double every result, to the last bit."""
    slow = case._replace(
        model=case.model._replace(**{name: 2 * getattr(case.model, name) for name in TIMES}),
        arrivals=2 * case.arrivals,
        actions=[(2 * at, replicas) for at, replicas in case.actions],
        startup_seconds=[2 * seconds for seconds in case.startup_seconds],
        horizon=2 * case.horizon,
    )
    one, two = case.play(case.fleet()).results(), slow.play(slow.fleet()).results()
    assert np.array_equal(one.outcome, two.outcome)
    assert np.array_equal(2 * one.first_token, two.first_token, equal_nan=True)
    assert np.array_equal(2 * one.finish, two.finish, equal_nan=True)


@settings(max_examples=60, deadline=None)
@given(cases(), st.integers(1, 5))
def test_round_robin_is_that_many_fleets_of_one(case, replicas):
    """Behind round robin, each of n replicas gives every n-th request exactly what it gives it alone."""
    fits = case.prompts + case.outputs <= case.model.longest_tokens
    arrivals, prompts, outputs = case.arrivals[fits], case.prompts[fits], case.outputs[fits]
    if not len(arrivals):
        return
    model = case.model._replace(router=kernel.ROUND_ROBIN)
    together = _run(model, arrivals, prompts, outputs, replicas=replicas).results()
    for turn in range(min(replicas, len(arrivals))):
        part = slice(turn, None, replicas)
        alone = _run(model, arrivals[part], prompts[part], outputs[part]).results()
        assert np.array_equal(together.outcome[part], alone.outcome)
        assert np.array_equal(together.finish[part], alone.finish)


@settings(max_examples=40, deadline=None)
@given(cases(), st.permutations(range(4)), st.sampled_from([kernel.ROUND_ROBIN, kernel.LEAST_OUTSTANDING]))
def test_replicas_may_change_places(case, order, router):
    """Which of the replicas was ready first, before any request came, changes nothing for any request."""
    arrivals = case.arrivals + 1.0
    model = case.model._replace(router=router)
    results = [
        _run(model, arrivals, case.prompts, case.outputs, replicas=4, startups=startups).results()
        for startups in ([0.0, 0.1, 0.2, 0.3], [0.1 * place for place in order])
    ]
    assert np.array_equal(results[0].outcome, results[1].outcome)
    assert np.array_equal(results[0].finish, results[1].finish)


@settings(max_examples=80, deadline=None)
@given(bursts(), st.integers(1, 2000))
def test_more_memory_never_ends_a_burst_later(burst, more):
    """Conservative admission, first come first served, all there at 0, budget not binding: the last answer is no later.

    In iterations nothing is later for any request (each admission waits for the same departures or fewer), the work is
    the same, and each iteration saved saves the base.
    """
    model, *requests = burst
    model = model._replace(conservative=True, budget_tokens=10**6)
    small = _run(model, *requests).results()
    large = _run(model._replace(kv_tokens=model.kv_tokens + more), *requests).results()
    assert large.finish.max() <= small.finish.max() + 1e-9


@settings(max_examples=80, deadline=None)
@given(bursts(), st.integers(1, 2000))
def test_more_memory_never_hurts_a_request_where_iterations_cost_the_same(burst, more):
    """The same, where an iteration takes the same time whatever is in it: no request of the burst is later at all."""
    model, *requests = burst
    free = {"prefill_seconds": 0.0, "sequence_seconds": 0.0, "context_seconds": 0.0}
    model = model._replace(**free, conservative=True, budget_tokens=10**6)
    small = _run(model, *requests).results()
    large = _run(model._replace(kv_tokens=model.kv_tokens + more), *requests).results()
    assert (large.first_token <= small.first_token + 1e-9).all()
    assert (large.finish <= small.finish + 1e-9).all()


@settings(max_examples=80, deadline=None)
@given(bursts(), st.tuples(*[st.floats(0.1, 1.0)] * 4))
def test_faster_coefficients_never_hurt_a_burst(burst, factors):
    """All there at 0: what an iteration holds does not depend on the clock, so none is later; preemption included."""
    model, *requests = burst
    fast = model._replace(**{name: getattr(model, name) * by for name, by in zip(TIMES, factors, strict=False)})
    slow_results, fast_results = _run(model, *requests).results(), _run(fast, *requests).results()
    assert (fast_results.first_token <= slow_results.first_token + 1e-9).all()
    assert (fast_results.finish <= slow_results.finish + 1e-9).all()


@settings(max_examples=80, deadline=None)
@given(cases(), st.tuples(*[st.floats(0.1, 1.0)] * 4), st.integers(1, 3))
def test_faster_coefficients_never_hurt_one_request_at_a_time(case, factors, replicas):
    """Batch of one behind round robin, open traffic, no limits: no request is later (Lindley's recursion)."""
    model = plain_model(
        **{name: getattr(case.model, name) for name in TIMES[:4]},
        max_sequences=1,
        budget_tokens=case.model.budget_tokens,
    )
    fast = model._replace(**{name: getattr(model, name) * by for name, by in zip(TIMES, factors, strict=False)})
    traffic = (case.arrivals, case.prompts, case.outputs)
    slow_results, fast_results = (_run(each, *traffic, replicas=replicas).results() for each in (model, fast))
    assert (fast_results.first_token <= slow_results.first_token + 1e-9).all()
    assert (fast_results.finish <= slow_results.finish + 1e-9).all()


def test_faster_can_hurt_one_request():
    """An anomaly of batching, not of the simulator: a faster base starts a long prompt's iteration before a short one.

    The short prompt arrives 0.05 ms too late for an iteration of 100 ms, which it would have shared on a slower GPU.
    """
    traffic = (np.array([0.0, 0.0095, 0.00995]), np.array([1, 5000, 1]), np.array([50, 1, 1]))
    seconds = [
        _run(plain_model(base_seconds=base, prefill_seconds=2e-5), *traffic).results().finish[2]
        for base in (0.01, 0.0099)
    ]
    assert seconds[1] > seconds[0] + 0.009


def test_memory_can_hurt_one_request():
    """More memory lets the second request in beside the first, which then decodes slower: better for all, not each."""
    traffic = (np.zeros(2), np.array([100, 100]), np.array([50, 50]))
    small, large = (
        _run(plain_model(kv_tokens=tokens, conservative=True, sequence_seconds=1e-3), *traffic).results().finish
        for tokens in (200, 400)
    )
    assert large[0] > small[0]
    assert large.max() < small.max()


def _open_traffic(seed, count=20_000, rate=20.0):
    random = np.random.default_rng(seed)
    prompts = random.lognormal(np.log(1000) - 0.5, 1.0, count).clip(1, 8000).astype(np.int32)
    outputs = random.lognormal(np.log(200) - 0.5, 1.0, count).clip(1, 2000).astype(np.int32)
    return np.cumsum(random.exponential(1 / rate, count)), prompts, outputs


def _means(fleet):
    results = fleet.results()
    return (results.first_token - results.arrival).mean(), (results.finish - results.arrival).mean()


@pytest.mark.parametrize("conservative", [False, True])
def test_more_memory_never_hurts_means_of_open_traffic(conservative):
    """20,000 requests, 20 a second, from a cache that is full to one that never is: mean TTFT never rises by 0.1 %."""
    model = plain_model(conservative=conservative, longest_tokens=10_000)
    means = [
        _means(_run(model._replace(kv_tokens=tokens), *_open_traffic(1)))[0]
        for tokens in (20_000, 40_000, 80_000, 160_000, 10**9)
    ]
    assert all(after <= before * 1.001 for before, after in itertools.pairwise(means))
    assert means[0] > 2 * means[-1]


@pytest.mark.parametrize("name", TIMES[:4])
def test_faster_coefficients_never_hurt_means_of_open_traffic(name):
    """Each coefficient of an iteration 10 % smaller makes mean TTFT and mean E2E smaller, at two thirds of capacity."""
    model = plain_model()
    slow = _means(_run(model, *_open_traffic(2)))
    fast = _means(_run(model._replace(**{name: 0.9 * getattr(model, name)}), *_open_traffic(2)))
    assert fast[1] < slow[1]
    assert fast[0] < slow[0] * 1.001
