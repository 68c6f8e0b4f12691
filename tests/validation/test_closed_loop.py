"""The closed loop: where its result is known by hand, and against one that steps through every iteration."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from autoscaler.errors import UsageError
from autoscaler.experiments.closed_loop import closed_loop
from autoscaler.simulator.fleet import SimulatedFleet, compiled_kernel
from autoscaler.simulator.model import Serving, replica_model
from tests.validation.models import plain_model

PRESET = "h100-llama-3.1-8b"


def _stepped(model, concurrency, prompt, output, count):
    """Return (arrival, first, finish) of `count` requests of a closed loop, one iteration at a time; room for all."""
    now, waiting, running, answered = 0.0, [(0.0, index) for index in range(concurrency)], [], []
    following, firsts = concurrency, {}
    while len(answered) < count:
        room = model.budget_tokens - sum(left == 0 for _, _, left, _ in running)
        batch = sum(left == 0 for _, _, left, _ in running)
        context = sum(prompt + generated - 1 for _, _, left, generated in running if left == 0)
        chunks = {}
        for place, (_, _, left, _) in enumerate(running):
            if left:
                chunks[place] = min(left, room)
                room -= chunks[place]
        while waiting and waiting[0][0] <= now and room > 0:
            arrival, index = waiting.pop(0)
            chunks[len(running)] = min(prompt, room)
            room -= chunks[len(running)]
            running.append((arrival, index, prompt, 0))
        if not running:
            now = waiting[0][0]
            continue
        work = sum(chunks.values())
        now += (
            model.base_seconds
            + model.prefill_seconds * work
            + model.sequence_seconds * batch
            + model.context_seconds * (context + sum(prompt - running[place][2] for place in chunks))
        )
        still = []
        for place, (arrival, index, before, tokens) in enumerate(running):
            left = before - chunks.get(place, 0)
            generated = tokens + (left == 0)
            if generated == 1 and index not in firsts:
                firsts[index] = now + model.front_seconds
            if generated == output:
                finish = now + model.front_seconds + model.back_seconds + model.token_seconds * output
                answered.append((arrival, firsts[index], finish))
                waiting.append((finish, following))
                following += 1
            else:
                still.append((arrival, index, left, generated))
        running = still
    return np.array(sorted(answered)[:count])


@pytest.mark.parametrize("front_seconds", [0.0, 0.012])
@pytest.mark.parametrize("budget", [64, 700, 8192])
@pytest.mark.parametrize("concurrency", [1, 3, 16])
def test_the_loop_equals_one_that_steps(concurrency, budget, front_seconds):
    """Mean TTFT, TPOT and E2E are those of a loop that steps each iteration, within 1e-9 s, with chunked prompts."""
    model = plain_model(budget_tokens=budget, front_seconds=front_seconds)
    measured = 5 * concurrency
    got = closed_loop(model, concurrency=concurrency, prompt_tokens=500, output_tokens=40, requests=measured)
    steps = _stepped(model, concurrency, 500, 40, 8 * concurrency)[concurrency : concurrency + measured]
    assert got.ttft_seconds == pytest.approx((steps[:, 1] - steps[:, 0]).mean(), abs=1e-9)
    assert got.e2e_seconds == pytest.approx((steps[:, 2] - steps[:, 0]).mean(), abs=1e-9)
    assert got.tpot_seconds == pytest.approx((steps[:, 2] - steps[:, 1]).mean() / 39, abs=1e-9)


def test_one_client_sees_the_iterations_one_by_one():
    """One client alone: TTFT is a + b·in, TPOT is a + c + d·(mean context), exactly as the formula of an iteration."""
    model = plain_model()
    got = closed_loop(model, concurrency=1, prompt_tokens=1000, output_tokens=101, requests=7)
    assert got.ttft_seconds == pytest.approx(model.base_seconds + 1000 * model.prefill_seconds, rel=1e-12)
    expected = model.base_seconds + model.sequence_seconds + model.context_seconds * (1000 + 99 / 2)
    assert got.tpot_seconds == pytest.approx(expected, rel=1e-9)
    assert got.output_tokens_per_second == pytest.approx(101 / (got.ttft_seconds + 100 * got.tpot_seconds))


def test_throughput_is_what_the_replica_counts():
    """Over many rounds the replica's own token counter grows by the throughput that Little's law gives, within 1 %."""
    model = plain_model()
    got = closed_loop(model, concurrency=16, prompt_tokens=300, output_tokens=50, requests=1600)
    fleet = SimulatedFleet(model, itertools.repeat(0.0), compiled=compiled_kernel())
    fleet.scale_to(1, 0.0)
    fleet.add_requests(np.zeros(16), np.full(16, 300), np.full(16, 50))
    answered = 0
    while answered < 1600:
        fleet.advance(fleet.next_event())
        done = int((fleet.results().outcome == 1).sum()) - answered
        fleet.add_requests(np.full(done, fleet.now), np.full(done, 300), np.full(done, 50))
        answered += done
    counted = fleet.replicas()[0].output_tokens
    assert counted / fleet.now == pytest.approx(got.output_tokens_per_second, rel=0.01)


def test_compiled_and_plain_give_the_same_loop():
    """Both modes of the kernel give the same closed loop, bit for bit, preemption included."""
    compiled = compiled_kernel()
    if compiled is None:
        pytest.skip("numba is not installed")
    model = plain_model(kv_tokens=4000)
    numbers = {"concurrency": 8, "prompt_tokens": 300, "output_tokens": 400, "requests": 40}
    plain, fast = closed_loop(model, **numbers), closed_loop(model, **numbers, compiled=compiled)
    assert plain == fast
    assert plain.preemptions > 0


def test_a_closed_loop_of_single_tokens_has_no_tpot():
    """With one output token there is no time between tokens: TPOT is NaN, the rest is there."""
    got = closed_loop(plain_model(), concurrency=2, prompt_tokens=10, output_tokens=1, requests=4)
    assert math.isnan(got.tpot_seconds)
    assert got.e2e_seconds == got.ttft_seconds


@pytest.mark.parametrize("name", ["concurrency", "prompt_tokens", "output_tokens", "requests"])
def test_a_count_below_one_is_refused(name):
    """Each count must be at least 1, and the error names it."""
    numbers = {"concurrency": 1, "prompt_tokens": 1, "output_tokens": 1, "requests": 1}
    with pytest.raises(UsageError, match=f"{name} 0: must be at least 1"):
        closed_loop(plain_model(), **(numbers | {name: 0}))


def test_requests_that_are_turned_away_are_an_error_and_not_an_endless_loop():
    """A prompt beyond the context, or a queue limit in the way, ends the loop with an error."""
    model = replica_model(PRESET, Serving(queue_limit=2, max_sequences=1))
    for numbers in ({"concurrency": 1, "prompt_tokens": 10**6}, {"concurrency": 8, "prompt_tokens": 10}):
        with pytest.raises(UsageError, match="turned away"):
            closed_loop(model, **numbers, output_tokens=10, requests=5)


def test_next_event_misses_nothing():
    """Going from event to event, every answer is met at its very moment, whatever the replicas and lengths."""
    random = np.random.default_rng(11)
    fleet = SimulatedFleet(plain_model(max_sequences=4), iter([0.0, 0.0, 0.7, 3.0]))
    fleet.add_requests(np.cumsum(random.exponential(0.02, 80)), random.integers(1, 900, 80), random.integers(1, 60, 80))
    fleet.scale_to(2, 0.0)
    fleet.advance(0.1)
    fleet.scale_to(4, 0.1)
    met = {}
    while fleet.next_event() < math.inf:
        fleet.advance(fleet.next_event())
        for index in np.flatnonzero(fleet.results().outcome == 1).tolist():
            met.setdefault(index, fleet.now)
    assert [met[index] for index in range(80)] == fleet.results().finish.tolist()
