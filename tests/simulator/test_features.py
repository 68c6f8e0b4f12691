"""What clients, routers, caches and nodes may do besides: one plain case for each."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from autoscaler.simulator import kernel
from autoscaler.simulator.fleet import SimulatedFleet
from autoscaler.simulator.model import Serving, replica_model

PRESET = "h100-llama-3.1-8b"
NO_FRONT = {"front_seconds": 0.0, "back_seconds": 0.0, "token_seconds": 0.0}
BASE, PREFILL, CONTEXT = 6.42e-3, 19.6e-6, 5e-8


def _fleet(replicas=1, startup_seconds=0.0, **serving):
    model = replica_model(PRESET, Serving(**NO_FRONT, **serving))
    fleet = SimulatedFleet(model, itertools.chain([0.0] * replicas, itertools.repeat(startup_seconds)))
    fleet.scale_to(replicas, 0.0)
    return fleet


def _first_token_seconds(fleet):
    results = fleet.results()
    return results.first_token - results.arrival


def test_prefix_hits_save_prefill_and_no_memory():
    """Of a prompt of 1,000 tokens with 900 hits, 100 are computed and all are in the context."""
    fleet = _fleet()
    fleet.add_requests([1.0], [1000], [2], [900])
    fleet.advance(1.005)
    assert fleet.snapshot().held_tokens.tolist() == [1000]
    fleet.advance(60.0)
    first = BASE + PREFILL * 100
    assert pytest.approx(_first_token_seconds(fleet).tolist()) == [first]
    decode = BASE + 4e-6 + CONTEXT * 1000
    assert pytest.approx(fleet.results().finish[0] - 1.0) == first + decode
    assert fleet.snapshot().prompt_tokens.tolist() == [100]


def test_the_last_token_of_a_prompt_is_always_computed():
    """A prompt that is wholly in the cache still takes one token's work."""
    fleet = _fleet()
    fleet.add_requests([1.0], [1000], [1], [1000])
    fleet.advance(60.0)
    assert pytest.approx(_first_token_seconds(fleet).tolist()) == [BASE + PREFILL]


def test_hits_may_come_with_some_requests_only():
    """Requests added without hits, before or after those that have some, have none."""
    fleet = _fleet()
    for at, hits in ((1.0, None), (2.0, [900]), (3.0, None)):
        fleet.add_requests([at], [1000], [1], hits)
    fleet.advance(60.0)
    expected = [BASE + PREFILL * 1000, BASE + PREFILL * 100, BASE + PREFILL * 1000]
    assert pytest.approx(_first_token_seconds(fleet).tolist()) == expected


def test_a_client_that_comes_again_is_one_request_and_waits_from_its_first_arrival():
    """Rejected twice, two seconds apart, then served: one result, whose TTFT contains both waits."""
    fleet = _fleet(max_sequences=1, queue_limit=1, retries=5, retry_after_seconds=2.0, client_timeout_seconds=None)
    # the first is served to 4.9 s, and until then the second takes the only place in the queue
    fleet.add_requests([1.0, 1.05, 1.1], [10, 10, 10], [600, 600, 10])
    fleet.advance(60.0)
    results = fleet.results()
    assert results.outcome.tolist() == [kernel.COMPLETED] * 3
    assert (results.first_token - results.arrival)[2] > 4.0
    assert fleet.retries() == 2


def test_retries_end():
    """After the last try a request has the outcome and the end of that try."""
    fleet = _fleet(replicas=0, gateway_limit=5, retries=2, retry_after_seconds=3.0, client_timeout_seconds=10.0)
    fleet.add_requests([1.0], [10], [10])
    fleet.advance(1000.0)
    # three tries of 10 s, and twice 3 s between them
    assert fleet.results().outcome.tolist() == [kernel.TIMED_OUT]
    assert pytest.approx(fleet.results().finish.tolist()) == [1.0 + 3 * 10.0 + 2 * 3.0]
    assert fleet.retries() == 2


def test_a_prompt_that_never_fits_is_not_sent_again():
    """A request beyond the context length is refused once and for all."""
    fleet = _fleet(retries=5)
    fleet.add_requests([1.0], [500_000], [10])
    fleet.advance(60.0)
    assert (fleet.results().outcome.tolist(), fleet.retries()) == ([kernel.REJECTED], 0)


def test_a_router_with_old_data_sends_a_herd():
    """All that comes between two looks goes to the replicas that were idle at the last one."""
    fleet = _fleet(replicas=3, router="LeastOutstanding", router_staleness_seconds=1.0)
    fleet.add_requests([0.1, 0.2], [10, 10], [9999, 9999])
    fleet.add_requests(np.linspace(1.1, 1.9, 9), np.full(9, 10), np.full(9, 9999))
    fleet.advance(1.95)
    assert sorted((fleet.snapshot().waiting + fleet.snapshot().running).tolist()) == [1, 1, 9]


def test_a_router_of_memory_balances_prompts():
    """One long prompt weighs as much as ten short ones."""
    fleet = _fleet(replicas=2, router="KvAware")
    fleet.add_requests([1.0] + [1.5] * 10, [5000] + [500] * 10, [9999] * 11)
    fleet.advance(2.0)
    assert (fleet.snapshot().waiting + fleet.snapshot().running).tolist() == [1, 10]


def test_a_fresh_replica_is_slow_for_a_while():
    """Iterations of a replica that had a cold start take three times as long for 30 s; then, and before, the usual."""
    fleet = _fleet(replicas=0, startup_seconds=10.0, slow_start_factor=3.0, slow_start_seconds=30.0)
    fleet.scale_to(1, 0.0)
    fleet.add_requests([10.0, 41.0], [100, 100], [2, 2])
    fleet.advance(100.0)
    usual = BASE + PREFILL * 100
    assert pytest.approx(_first_token_seconds(fleet).tolist()) == [3 * usual, usual]


def test_a_jump_ends_where_the_slowness_does():
    """A long answer begun in the slow time goes on at full speed after it."""
    fleet = _fleet(replicas=0, startup_seconds=10.0, slow_start_factor=4.0, slow_start_seconds=5.0)
    fleet.scale_to(1, 0.0)
    fleet.add_requests([10.0], [1], [1000])
    fleet.advance(100.0)
    step = BASE + 4e-6
    slow = math.ceil(5.0 / (4 * step))
    expected = slow * 4 * step + (1000 - slow) * step
    assert pytest.approx(fleet.results().finish[0] - 10.0, rel=0.01) == expected


def test_what_a_dead_replica_had_fails():
    """Running and waiting requests of the oldest replica fail at once; those of the other go on."""
    fleet = _fleet(replicas=2, max_sequences=1)
    fleet.add_requests([1.0, 1.0, 1.0, 1.0], [10] * 4, [500] * 4)
    fleet.fail(1, 2.0)
    fleet.advance(60.0)
    results = fleet.results()
    assert sorted(results.outcome.tolist()) == [kernel.COMPLETED, kernel.COMPLETED, kernel.FAILED, kernel.FAILED]
    assert results.finish[results.outcome == kernel.FAILED].tolist() == [2.0, 2.0]
    assert fleet.lifetimes()[0].gone_at == 2.0


def test_what_a_dead_replica_had_may_be_sent_again():
    """With retries, the requests of a dead replica start anew at another one, and lose the tokens they had."""
    fleet = _fleet(replicas=2, retries=1, retry_after_seconds=0.5)
    fleet.add_requests([1.0, 1.0], [10] * 2, [500] * 2)
    fleet.fail(1, 2.0)
    fleet.advance(60.0)
    results = fleet.results()
    assert results.outcome.tolist() == [kernel.COMPLETED] * 2
    assert (results.first_token > 2.5).tolist() == [True, False]


def test_more_replicas_than_there_are_may_fail():
    """A failure of all and more leaves none, those that start included, and the gateway holds what comes."""
    fleet = _fleet(replicas=2, startup_seconds=10.0)
    fleet.scale_to(3, 1.0)
    fleet.fail(9, 2.0)
    fleet.add_requests([3.0], [10], [10])
    fleet.advance(60.0)
    assert (sum(fleet.states()), fleet.gateway_waiting()) == (0, 1)
