"""The kernel against a step-by-step simulation, against itself in other modes, and against what must be conserved."""

from __future__ import annotations

import inspect
import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.simulator import kernel
from autoscaler.simulator.fleet import SimulatedFleet, compiled_kernel
from autoscaler.simulator.model import replica_model
from tests.simulator.audit import audit
from tests.simulator.fleets import OUTCOMES, cases
from tests.simulator.stepwise import Stepwise


def _arrays(fleet):
    snapshot = fleet.snapshot()
    totals = (fleet.busy_seconds(), fleet.preemptions(), fleet.retries())
    return [*fleet.results(), *snapshot[1:], np.array(fleet.lifetimes()), *totals]


def _same(one, other):
    return all(np.array_equal(a, b, equal_nan=np.asarray(a).dtype.kind == "f") for a, b in zip(one, other, strict=True))


@given(cases(everything=True))
def test_jumps_equal_steps(case):
    """Every request of every fleet has the fate and, within 1e-6 s, the times that stepping each iteration gives."""
    fleet = case.play(case.fleet())
    steps = Stepwise(*case[:7], case.hits).run(case.horizon)
    results = fleet.results()
    assert [OUTCOMES[code] for code in results.outcome] == [request.outcome for request in steps.requests]
    expected_first = np.array([request.first for request in steps.requests])
    expected_finish = np.array([request.finish for request in steps.requests])
    np.testing.assert_allclose(results.first_token, expected_first, rtol=0, atol=1e-6)
    np.testing.assert_allclose(results.finish, expected_finish, rtol=0, atol=1e-6)
    gone = [life.gone_at for life in fleet.lifetimes()]
    expected_gone = [replica.gone_at if replica.gone_at < math.inf else math.nan for replica in steps.replicas]
    np.testing.assert_allclose(gone, expected_gone, rtol=0, atol=1e-6)


@given(cases(everything=True), st.lists(st.floats(0, 1), max_size=30))
def test_stops_change_nothing(case, shares):
    """Any partition of the time into ticks gives the same results, bit for bit."""
    whole = case.play(case.fleet())
    parts = case.play(case.fleet(), [share * case.horizon for share in shares])
    assert _same(_arrays(whole), _arrays(parts))


@given(cases(everything=True))
def test_compiled_equals_plain(case):
    """The compiled kernel and plain Python give the same arrays, bit for bit."""
    compiled = compiled_kernel()
    if compiled is None:
        pytest.skip("numba is not installed")
    assert _same(_arrays(case.play(case.fleet())), _arrays(case.play(case.fleet(compiled))))


def test_the_compiled_kernels_cache_sees_every_file(monkeypatch):
    """What is compiled closes over a fingerprint of every file of the kernel, which numba's cache tells versions by."""
    compiled = pytest.importorskip("autoscaler.simulator.compiled", exc_type=ImportError)
    files = {path.stem for path in Path(kernel.__file__).parent.glob("*.py")} - {"__init__"}
    assert {module.__name__.rsplit(".", 1)[1] for module in compiled.room()} == files
    (fingerprint,) = (cell.cell_contents for cell in compiled.advance.py_func.__closure__)
    assert fingerprint == compiled._fingerprint()
    read = inspect.getsource
    for changed in compiled.room():
        monkeypatch.setattr(inspect, "getsource", lambda one, changed=changed: read(one) + "#" * (one is changed))
        assert compiled._fingerprint() != fingerprint


@given(cases(everything=True), st.integers(0, 8))
def test_a_tree_finds_what_a_look_at_each_replica_finds(case, few):
    """Small and large fleets choose replicas in different ways and come to the same results, bit for bit."""
    searched = case._replace(model=case.model._replace(few_replicas=10**9))
    treed = case._replace(model=case.model._replace(few_replicas=few))
    assert _same(_arrays(searched.play(searched.fleet())), _arrays(treed.play(treed.fleet())))


@pytest.mark.parametrize("router", [kernel.LEAST_OUTSTANDING, kernel.KV_AWARE])
def test_a_large_fleet_routes_as_a_small_one_would(router):
    """Forty replicas, scaled and failing, with simultaneous arrivals: the tree and the search agree, bit for bit."""
    random = np.random.default_rng(8)
    arrivals = np.cumsum(random.exponential(0.003, 4000) * (random.random(4000) > 0.3))
    prompts = random.integers(50, 900, 4000)
    found = []
    for few in (0, 10**9):
        model = replica_model("h100-llama-3.1-8b")._replace(router=router, few_replicas=few)
        fleet = SimulatedFleet(model, itertools.repeat(0.5))
        fleet.add_requests(arrivals, prompts, np.full(4000, 60))
        for at, count in ((0.0, 3), (1.0, 40), (4.0, 23), (6.0, 70)):
            fleet.scale_to(count, at)
        fleet.fail(5, 7.0)
        assert audit(fleet) == []
        fleet.advance(60.0)
        found.append(fleet)
    assert _same(*map(_arrays, found))


@given(cases(everything=True), st.integers(1, 20))
def test_books_balance_at_every_stop(case, stops):
    """At any moment, context, KV cache and requests in the books are the sums over the requests they belong to."""
    fleet = case.fleet()
    for at in np.linspace(0, case.horizon, stops + 1).tolist():
        fleet.advance(at)
        assert audit(fleet) == []


@given(cases(everything=True))
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
