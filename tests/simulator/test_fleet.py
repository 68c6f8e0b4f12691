"""The fleet as its users drive it: lifecycle, gateway, views."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from autoscaler.errors import TraceError, UsageError
from autoscaler.simulator.buckets import BUCKETS
from autoscaler.simulator.fleet import ReplicaState, SimulatedFleet
from autoscaler.simulator.model import Serving, replica_model
from autoscaler.simulator.presets import PRESETS


def _fleet(startup_seconds=30.0, **serving):
    return SimulatedFleet(replica_model("h100-llama-3.1-8b", Serving(**serving)), itertools.repeat(startup_seconds))


def _states(fleet):
    return [replica.state for replica in fleet.replicas()]


def test_a_replica_starts_serves_drains_and_goes():
    """A replica is starting until its cold start is over, drains what it has, and is then gone."""
    fleet = _fleet()
    fleet.add_requests([31.0], [100], [1000])
    fleet.scale_to(1, 0.0)
    fleet.advance(29.9)
    assert _states(fleet) == [ReplicaState.STARTING]
    fleet.advance(31.5)
    assert _states(fleet) == [ReplicaState.READY]
    fleet.scale_to(0, 32.0)
    assert _states(fleet) == [ReplicaState.DRAINING]
    fleet.advance(60.0)
    assert fleet.replicas() == []
    (life,) = fleet.lifetimes()
    assert life[:3] == (0, 0.0, 30.0)
    finish = fleet.results().finish[0]
    assert finish - 0.1 < life.gone_at < finish


def test_the_gateway_holds_what_comes_while_nothing_is_ready():
    """Requests wait at the gateway for the first replica, in order, and their waiting counts in TTFT."""
    fleet = _fleet()
    fleet.add_requests([1.0, 2.0], [100, 100], [10, 10])
    fleet.advance(5.0)
    assert fleet.gateway_waiting() == 2
    fleet.scale_to(1, 5.0)
    fleet.advance(100.0)
    assert fleet.gateway_waiting() == 0
    assert (fleet.results().first_token - fleet.results().arrival > [34.0, 33.0]).all()


def test_the_youngest_starting_replica_goes_first_then_the_least_busy():
    """Scale-down takes starting replicas before ready ones, and of these the one with the fewest requests."""
    fleet = _fleet(startup_seconds=0.0)
    fleet.scale_to(3, 0.0)
    fleet.add_requests([1.0, 1.0, 1.0, 1.0, 1.0], [10, 10, 10, 10, 10], [1, 999, 999, 999, 999])
    fleet.advance(2.0)
    fleet.scale_to(2, 2.0)
    assert [replica.number for replica in fleet.replicas()] == [0, 1, 2]
    assert fleet.states().draining == 1
    drained = next(replica for replica in fleet.replicas() if replica.state is ReplicaState.DRAINING)
    assert drained.running == min(replica.running for replica in fleet.replicas())


def test_starting_replicas_can_be_called_off():
    """A starting replica that is no longer wanted is gone at once, and never becomes ready."""
    fleet = _fleet()
    fleet.scale_to(2, 0.0)
    fleet.scale_to(1, 10.0)
    assert [replica.number for replica in fleet.replicas()] == [0]
    fleet.advance(40.0)
    called_off = fleet.lifetimes()[1]
    assert called_off.gone_at == 10.0
    assert math.isnan(called_off.ready_at)


def test_slots_are_used_again_and_the_fleet_grows():
    """Hundreds of replicas one after the other, and twenty at once, keep their own numbers and lives."""
    fleet = _fleet(startup_seconds=1.0)
    for round_ in range(50):
        fleet.scale_to(20 if round_ == 25 else 4, 10.0 * round_)
        fleet.advance(10.0 * round_ + 5.0)
        fleet.scale_to(0, 10.0 * round_ + 5.0)
    lives = fleet.lifetimes()
    assert list(range(49 * 4 + 20)) == [life.number for life in lives]
    assert {5.0} == {life.gone_at - life.created_at for life in lives}


def test_growing_keeps_what_runs():
    """A fleet that grows beyond its slots loses no request and counts each once."""
    fleet = _fleet(startup_seconds=0.0)
    fleet.scale_to(2, 0.0)
    fleet.add_requests(np.linspace(0.1, 20, 400), np.full(400, 200), np.full(400, 100))
    for at, count in ((3.0, 9), (6.0, 30), (9.0, 1)):
        fleet.scale_to(count, at)
    fleet.advance(100.0)
    assert (fleet.results().outcome == 1).sum() == 400


def test_a_replica_shows_its_own_metrics():
    """Histograms are cumulative, have the backend's bounds, and agree with the requests that were served."""
    fleet = _fleet(startup_seconds=0.0)
    fleet.scale_to(1, 0.0)
    fleet.add_requests(np.linspace(1, 10, 50), np.full(50, 300), np.full(50, 20))
    fleet.advance(60.0)
    (replica,) = fleet.replicas()
    results = fleet.results()
    assert (*BUCKETS["vllm"].first_token, math.inf) == replica.first_token.bounds
    waited = results.first_token - results.arrival
    assert [int((waited <= bound).sum()) for bound in replica.first_token.bounds] == list(
        replica.first_token.cumulative
    )
    assert waited.sum() == pytest.approx(replica.first_token.sum_seconds)
    assert (replica.completed, replica.total.cumulative[-1], replica.queue_time.cumulative[-1]) == (50, 50, 50)
    assert 0 < replica.busy_seconds < 60


def test_what_is_too_long_is_rejected():
    """A request beyond the model's context is rejected at once, and the others are served."""
    fleet = _fleet(startup_seconds=0.0)
    fleet.scale_to(1, 0.0)
    fleet.add_requests([1.0, 1.0], [131_072, 100], [1, 10])
    fleet.advance(60.0)
    assert fleet.results().outcome.tolist() == [2, 1]


def test_clients_leave_and_queues_overflow():
    """With a limit of one waiting request, the others are rejected; who waits too long leaves after just that time."""
    fleet = _fleet(startup_seconds=0.0, max_sequences=1, queue_limit=1, client_timeout_seconds=0.5)
    fleet.scale_to(1, 0.0)
    fleet.add_requests([1.0, 1.1, 1.2], [100, 100, 100], [500, 10, 10])
    fleet.advance(60.0)
    assert fleet.results().outcome.tolist() == [1, 3, 2]
    assert pytest.approx(fleet.results().finish[1:].tolist()) == [1.6, 1.2]


def test_the_moment_itself_belongs_to_the_time_that_passed():
    """Advancing to a moment takes in who arrives at it, and lets go whose patience ends at it."""
    fleet = _fleet(client_timeout_seconds=0.5)
    fleet.add_requests([1.0, 1.25], [10, 10], [10, 10])
    fleet.advance(1.0)
    assert fleet.gateway_waiting() == 1
    fleet.advance(1.5)
    assert fleet.gateway_waiting() == 1
    assert fleet.results().outcome.tolist() == [3, 0]


@pytest.mark.parametrize("arrivals", [[2.0, 1.0], [-1.0], [5.0, 4.0, 6.0]])
def test_arrivals_out_of_order_are_refused(arrivals):
    """Arrivals that are not sorted, or lie in the past, are an error that says so."""
    with pytest.raises(TraceError, match="sorted"):
        _fleet().add_requests(arrivals, [1] * len(arrivals), [1] * len(arrivals))


def test_every_preset_makes_a_model():
    """Each preset has a positive base and cache, and names engine, source and grade."""
    for name, preset in PRESETS.items():
        model = replica_model(name)
        assert model.base_seconds > 0 < model.kv_tokens
        assert all((preset.source, preset.engine, preset.grade, preset.gpu))


@pytest.mark.parametrize(
    ("preset", "serving", "message"),
    [("h100-llama", Serving(), "h100-llama-3.1-8b"), ("t4-8b-int4", Serving(max_sequences=8192), "token budget")],
)
def test_a_model_that_cannot_be_is_refused(preset, serving, message):
    """An unknown preset, and a token budget without room for prompts, say what is allowed."""
    with pytest.raises(UsageError, match=message):
        replica_model(preset, serving)
