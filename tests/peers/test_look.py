from __future__ import annotations

import pytest
from pydantic import ValidationError

from autoscaler.engine.observation import Quality, Replica, SignalRequest
from autoscaler.peers.hpa_calculator import Invalid
from autoscaler.peers.hpa_observed import pods_of, shares_of, total_milli
from autoscaler.peers.knative_window import bucket_of, buckets_in
from autoscaler.peers.look import in_flight, live, per_replica_mean, ready_count, request_of
from autoscaler.peers.ray_serve import RayServe
from autoscaler.peers.samples import mean, record, within
from tests.peers.builders import NOW, observation, replicas, signal


@pytest.mark.parametrize(
    ("pending", "held", "total"),
    [
        (7.0, 5.0, 12.0),
        (7.0, Quality.ERROR, 7.0),
        (Quality.NO_PODS, 5.0, 5.0),
        (Quality.EMPTY, 5.0, 5.0),
        (Quality.NO_PODS, Quality.ERROR, None),
        (Quality.ERROR, 5.0, None),
        (Quality.STALE, 5.0, None),
    ],
)
def test_requests_in_flight_are_those_held_and_those_handed_on(pending, held, total):
    """Without replicas what is held is all; with a broken source nobody knows."""
    seen = observation(2, {"pendingRequests": pending, "gatewayRequests": held})
    assert in_flight(seen) == total


def test_requests_at_silent_replicas_are_estimated():
    """Six on two of three replicas are nine."""
    seen = observation(3, {"pendingRequests": signal("pendingRequests", 6.0, pods=2, missing=1)})
    assert in_flight(seen) == 9.0


@pytest.mark.parametrize(
    ("key", "mean_of_each"), [("queueDepth", 10.0), ("gpuUtilization", 40.0), ("kvCacheUtilization", 30.0)]
)
def test_the_mean_of_those_that_reported(key, mean_of_each):
    """Of 30 on three of four: a sum is divided, a mean was watered down by the fourth, a maximum stands."""
    assert per_replica_mean(signal(key, 30.0, pods=3, missing=1)) == mean_of_each


def test_nobody_reported():
    """No mean of nothing."""
    assert per_replica_mean(signal("queueDepth", Quality.EMPTY)) is None
    assert per_replica_mean(signal("queueDepth", 0.0, pods=0)) is None


def test_a_quantile_stands_in_the_key():
    """As in `Observation.signals`."""
    assert request_of("timeToFirstToken:0.99") == SignalRequest("timeToFirstToken", 0.99)
    assert request_of("queueDepth") == SignalRequest("queueDepth")


def test_ended_and_terminating_replicas_are_not_live():
    """Neither are they ready."""
    gone = (
        Replica("old", "Running", True, NOW, NOW, terminating=True),
        Replica("dead", "Failed", False, NOW),
    )
    seen = observation(2, {}, (*replicas(2), *gone))
    assert (len(live(seen)), ready_count(seen), len(pods_of(seen))) == (2, 2, 4)


def test_a_pod_that_never_was_ready_changed_when_it_was_made():
    """Its Ready condition is false since then."""
    old, new = Replica("old", "Running", True, NOW - 9.0, NOW - 5.0), Replica("new", "Pending", False, NOW - 9.0)
    assert [pod.ready_changed_at for pod in pods_of(observation(2, {}, (old, new)))] == [NOW - 5.0, NOW - 9.0]


def test_shares_add_up_to_the_whole():
    """Ten among three are 3.334, 3.333 and 3.333: nothing is lost in thousandths."""
    shares = shares_of(observation(3, {"queueDepth": 10.0}), "queueDepth")
    assert not isinstance(shares, Invalid)
    assert sorted(metric.milli for metric in shares.values()) == [3333, 3333, 3334]


def test_the_longest_ready_ones_are_taken_for_those_that_reported():
    """Of two that are Ready and two that run, the samples of two go to the Ready ones."""
    seen = observation(4, {"queueDepth": signal("queueDepth", 8.0, pods=2)}, replicas(2, 2, phase="Running"))
    assert set(shares_of(seen, "queueDepth")) == {"pod-0", "pod-1"}


def test_a_total_of_a_signal_that_nobody_collected_is_invalid():
    """As is one whose source failed; absent ones are left out while there is another."""
    seen = observation(2, {"queueDepth": 3.0, "x": Quality.EMPTY, "broken": Quality.ERROR})
    assert total_milli(seen, ("queueDepth", "x")) == 3000
    assert isinstance(total_milli(seen, ("x",)), Invalid)
    assert isinstance(total_milli(seen, ("queueDepth", "broken")), Invalid)
    assert isinstance(total_milli(seen, ("queueDepth", "nobody")), Invalid)


def test_samples_are_kept_for_less_than_the_window():
    """At exactly its length one is neither counted nor kept."""
    history = record(record({}, 0.0, 4.0, 60.0), 30.0, 8.0, 60.0)
    assert within(history, 59.0, 60.0) == [4.0, 8.0]
    assert within(history, 60.0, 60.0) == [8.0]
    assert list(record(history, 60.0, 1.0, 60.0)) == ["30.0", "60.0"]
    assert (mean([4.0, 8.0]), mean([])) == (6.0, None)


def test_buckets():
    """A bucket begins at whole multiples; a window that is no multiple has one more."""
    assert [bucket_of(at, 2.0) for at in (0.0, 1.9, 2.0)] == [0, 0, 1]
    assert (buckets_in(300.0, 2.0), buckets_in(5.0, 2.0)) == (150, 3)


def test_parameters_are_frozen_and_strict():
    """Nothing changes after it was read, and a text is no number."""
    with pytest.raises(ValidationError, match="frozen"):
        RayServe().max_replicas = 3
    for wrong in ({"min_replicas": "1"}, {"min_replicas": True}, {"min_replicas": -1}, {"max_replicas": 0}):
        with pytest.raises(ValidationError):
            RayServe(**wrong)
