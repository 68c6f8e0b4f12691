"""What a gateway's metrics show: requests that wait, or those that were turned away."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from autoscaler.simulator import kernel
from autoscaler.simulator.fleet import SimulatedFleet
from autoscaler.simulator.gateway import Gateway
from autoscaler.simulator.model import Serving, replica_model


@pytest.fixture
def sleeping():
    """Return a function to a fleet without replicas, to which requests come."""

    def sleeping(arrivals, **serving):
        model = replica_model("h100-llama-3.1-8b", Serving(**serving))
        fleet = SimulatedFleet(model, itertools.repeat(30.0))
        fleet.add_requests(arrivals, np.full(len(arrivals), 100), np.full(len(arrivals), 10))
        return fleet

    return sleeping


def test_a_gateway_that_holds_shows_who_waits(sleeping):
    """Each waiting request counts until it goes on to a replica."""
    fleet = sleeping([1.0, 2.0, 50.0])
    gateway = Gateway(fleet)
    fleet.advance(10.0)
    assert gateway.requests() == 2
    fleet.scale_to(1, 10.0)
    fleet.advance(45.0)
    assert gateway.requests() == 0
    fleet.advance(100.0)
    assert (fleet.results().outcome == kernel.COMPLETED).all()


def test_a_gateway_that_holds_nothing_turns_away_and_counts_for_a_minute(sleeping):
    """At zero replicas a request is lost at once; it counts for 60 s, which is enough to wake the target."""
    fleet = sleeping([1.0, 20.0, 200.0], gateway_limit=0)
    gateway = Gateway(fleet)
    counts = []
    for at in (15.0, 30.0, 60.0, 75.0, 90.0):
        fleet.advance(at)
        counts.append(gateway.requests())
    assert counts == [1, 2, 2, 1, 0]
    assert fleet.results().outcome.tolist()[:2] == [kernel.REJECTED, kernel.REJECTED]
    fleet.scale_to(1, 90.0)
    fleet.advance(300.0)
    assert fleet.results().outcome[2] == kernel.COMPLETED
    assert gateway.requests() == 0


def test_every_try_of_a_client_counts(sleeping):
    """A client that comes again is turned away again: three tries are three within the minute, and then it gives up."""
    fleet = sleeping([10.0], gateway_limit=0, retries=2, retry_after_seconds=5.0)
    gateway = Gateway(fleet)
    counts = []
    for at in (12.0, 17.0, 22.0, 73.0, 100.0):
        fleet.advance(at)
        counts.append(gateway.requests())
    assert counts == [1, 2, 3, 2, 0]
    assert fleet.results().outcome[0] == kernel.REJECTED
    assert fleet.results().finish[0] == 20.0
