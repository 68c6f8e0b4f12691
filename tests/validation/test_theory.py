"""The kernel where queueing theory knows the answer: formulas with the true parameters, never the sample's.

Each mean is over eight seeds, sixteen for M/M/8, the first tenth of the requests cut; the formula must lie in the 99 %
confidence interval, and mean and half width within the tolerance. Tokens are small (0.1 ms), so that waiting for the
end of an iteration, which the formulas do not know, is below the tolerance by far.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import brentq

from tests.validation.estimate import over_seeds, simulate, steady
from tests.validation.models import plain_model

SEEDS = range(8)
TOKEN_SECONDS = 1e-4
MEAN_TOKENS = 2000
FIXED = {"base_seconds": TOKEN_SECONDS, "prefill_seconds": 0.0, "sequence_seconds": 0.0, "context_seconds": 0.0}
"""An iteration takes the same time whatever is in it: each sequence of a replica is a server of its own."""


def _exponential(random, count):
    return np.ceil(random.exponential(MEAN_TOKENS, count)).astype(np.int32)


def _uniform(random, count):
    return random.integers(1, 2 * MEAN_TOKENS, count)


def _wait(model, replicas, load_per_second, draw, count):
    """Return a measure of the mean time in the system minus the time of service, in seconds."""

    def measure(random):
        arrivals = np.cumsum(random.exponential(1 / load_per_second, count))
        outputs = draw(random, count)
        results = simulate(model, replicas, arrivals, np.ones(count), outputs)
        return steady(results.finish - results.arrival - outputs * TOKEN_SECONDS).mean()

    return measure


@pytest.mark.parametrize("load", [0.5, 0.8])
def test_mg1(load):
    """M/G/1, one sequence at a time, uniform lengths: the mean wait is Pollaczek and Khinchine's, within 2 %."""
    rate = load / (MEAN_TOKENS * TOKEN_SECONDS)
    second_moment = TOKEN_SECONDS**2 * MEAN_TOKENS * (4 * MEAN_TOKENS - 1) / 3
    expected = rate * second_moment / (2 * (1 - load))
    found = over_seeds(_wait(plain_model(**FIXED, max_sequences=1), 1, rate, _uniform, 1_000_000), SEEDS)
    print(f"M/G/1 load {load}: {found.against(expected)}")
    assert found.agrees(expected, 0.02)


def test_mmc():
    """M/M/8, eight sequences of one replica and one queue, load .8: the mean wait is Erlang's C, within 2 %."""
    servers, load = 8, 0.8
    service = (MEAN_TOKENS + 0.5) * TOKEN_SECONDS
    offered = servers * load
    last = offered**servers / math.factorial(servers) / (1 - load)
    erlang_c = last / (sum(offered**k / math.factorial(k) for k in range(servers)) + last)
    expected = erlang_c * service / (servers * (1 - load))
    model = plain_model(**FIXED, max_sequences=servers)
    found = over_seeds(_wait(model, 1, offered / service, _exponential, 1_000_000), range(16))
    print(f"M/M/8 load {load}: {found.against(expected)}")
    assert found.agrees(expected, 0.02)


def test_round_robin_is_eight_queues_of_erlang_arrivals():
    """Eight replicas of batch one behind round robin, load .8, are E8/M/1 queues: the root's mean wait, within 2 %."""
    servers, load = 8, 0.8
    service = (MEAN_TOKENS + 0.5) * TOKEN_SECONDS
    rate = servers * load / service

    def excess(share):
        return (rate / (rate + (1 - share) / service)) ** servers - share

    root = brentq(excess, 0.0, 0.999)
    expected = root * service / (1 - root)
    model = plain_model(**FIXED, max_sequences=1)
    found = over_seeds(_wait(model, servers, rate, _exponential, 1_000_000), SEEDS)
    print(f"E8/M/1 load {load}: {found.against(expected)}")
    assert found.agrees(expected, 0.02)


@pytest.mark.parametrize("load", [0.5, 0.8])
@pytest.mark.parametrize("draw", [_exponential, _uniform])
def test_mg1_processor_sharing(load, draw):
    """M/G/1-PS (a = b = d = 0): the mean time in the system is E[x]/(1 - load), whatever the lengths, within 3 %."""
    count = 300_000
    model = plain_model(
        base_seconds=0.0, prefill_seconds=0.0, sequence_seconds=TOKEN_SECONDS, context_seconds=0.0, max_sequences=512
    )
    service = MEAN_TOKENS * TOKEN_SECONDS

    def measure(random):
        arrivals = np.cumsum(random.exponential(service / load, count))
        # The first token comes with the prompt, which is free here.
        results = simulate(model, 1, arrivals, np.ones(count), draw(random, count) + 1)
        return steady(results.finish - results.arrival).mean()

    found = over_seeds(measure, SEEDS)
    expected = service / (1 - load)
    print(f"M/G/1-PS load {load} {draw.__name__}: {found.against(expected)}")
    assert found.agrees(expected, 0.03)
