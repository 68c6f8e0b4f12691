"""The kernel against a step-by-step simulation, against itself in other modes, and against what must be conserved."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.simulator.fleet import SimulatedFleet, compiled_kernel
from autoscaler.simulator.model import replica_model
from tests.simulator.audit import audit
from tests.simulator.fleets import OUTCOMES, cases
from tests.simulator.stepwise import Stepwise


def _arrays(fleet):
    snapshot = fleet.snapshot()
    return [*fleet.results(), *snapshot[1:], np.array(fleet.lifetimes()), fleet.busy_seconds(), fleet.preemptions()]


def _same(one, other):
    return all(np.array_equal(a, b, equal_nan=np.asarray(a).dtype.kind == "f") for a, b in zip(one, other, strict=True))


@given(cases())
def test_jumps_equal_steps(case):
    """Every request of every fleet has the fate and, within 1e-6 s, the times that stepping each iteration gives."""
    fleet = case.play(case.fleet())
    steps = Stepwise(*case[:7]).run(case.horizon)
    results = fleet.results()
    assert [OUTCOMES[code] for code in results.outcome] == [request.outcome for request in steps.requests]
    expected_first = np.array([request.first for request in steps.requests])
    expected_finish = np.array([request.finish for request in steps.requests])
    np.testing.assert_allclose(results.first_token, expected_first, rtol=0, atol=1e-6)
    np.testing.assert_allclose(results.finish, expected_finish, rtol=0, atol=1e-6)
    gone = [life.gone_at for life in fleet.lifetimes()]
    expected_gone = [replica.gone_at if replica.gone_at < math.inf else math.nan for replica in steps.replicas]
    np.testing.assert_allclose(gone, expected_gone, rtol=0, atol=1e-6)


@given(cases(), st.lists(st.floats(0, 1), max_size=30))
def test_stops_change_nothing(case, shares):
    """Any partition of the time into ticks gives the same results, bit for bit."""
    whole = case.play(case.fleet())
    parts = case.play(case.fleet(), [share * case.horizon for share in shares])
    assert _same(_arrays(whole), _arrays(parts))


@given(cases())
def test_compiled_equals_plain(case):
    """The compiled kernel and plain Python give the same arrays, bit for bit."""
    compiled = compiled_kernel()
    if compiled is None:
        pytest.skip("numba is not installed")
    assert _same(_arrays(case.play(case.fleet())), _arrays(case.play(case.fleet(compiled))))


@given(cases(), st.integers(1, 20))
def test_books_balance_at_every_stop(case, stops):
    """At any moment, context, KV cache and requests in the books are the sums over the requests they belong to."""
    fleet = case.fleet()
    for at in np.linspace(0, case.horizon, stops + 1).tolist():
        fleet.advance(at)
        assert audit(fleet) == []


@given(cases())
def test_everything_ends(case):
    """Once a replica is ready and time enough has passed, no request is pending and nothing is held."""
    fleet = case.play(case.fleet())
    fleet.scale_to(max(1, len(fleet.replicas())), case.horizon)
    fleet.advance(case.horizon + 1e6)
    assert (fleet.results().outcome == 0).sum() == 0
    snapshot = fleet.snapshot()
    assert 0 == snapshot.held_tokens.sum() == snapshot.waiting.sum() == snapshot.running.sum()
    assert fleet.gateway_waiting() == 0


def test_requests_may_be_added_as_they_come():
    """Adding each request at its own moment gives what adding all of them first gives."""
    random = np.random.default_rng(5)
    arrivals = np.cumsum(random.exponential(0.05, 300))
    fleets = [SimulatedFleet(replica_model("h100-llama-3.1-8b"), itertools.repeat(0.0)) for _ in range(2)]
    for fleet in fleets:
        fleet.scale_to(2, 0.0)
    fleets[0].add_requests(arrivals, np.full(300, 500), np.full(300, 50))
    for at in arrivals:
        fleets[1].advance(at)
        fleets[1].add_requests([at], [500], [50])
    for fleet in fleets:
        fleet.advance(100.0)
    assert _same(_arrays(fleets[0]), _arrays(fleets[1]))
