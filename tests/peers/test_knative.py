from __future__ import annotations

import itertools

import pytest

from autoscaler.engine.decision import Reason
from autoscaler.engine.observation import Quality
from autoscaler.peers.knative import Knative
from tests.peers.builders import Target, replicas, signal


def knative(**more) -> Knative:
    """Return a revision from 0 to 50 with a target of 10 per replica at 100 %."""
    return Knative(**{"max_replicas": 50, "target": 10.0, "target_utilization_percent": 100.0, **more})


def load(total: float):
    """Return the signals of so many requests in flight: at the replicas, or held where there are none."""
    return lambda count: {
        "pendingRequests": total if count else Quality.NO_PODS,
        "gatewayRequests": 0.0 if count else total,
    }


def test_the_default_target_is_seventy_of_a_hundred():
    """140 in flight on the defaults are two replicas, 141 three."""
    for total, wanted in ((140.0, 2), (141.0, 3)):
        assert Target(Knative(max_replicas=50), 1).tick(load(total)(1)).replicas == wanted


def test_a_surge_panics_and_panic_does_not_lower():
    """Four times the load in the last 6 s decides at once, and is held for a stable window after its last crossing."""
    target = Target(knative(), 5)
    target.run(60.0, load(50.0))
    surge = target.run(6.0, load(200.0))
    assert surge[-1] == 20
    assert "panic" in target.tick(load(200.0)(target.spec)).trail[0].why
    after = target.run(200.0, load(50.0))
    # renewed while 200 / 10 over ready is at least two: never once the twenty are ready
    held = after.index(next(count for count in after if count < 20)) * 2
    assert 50 <= held <= 62
    assert after[-1] == 5


def test_it_halves_at_most():
    """The down rate of 2 per tick, once out of panic."""
    target = Target(knative(scale_to_zero=False), 1)
    target.run(130.0, load(10.0))
    target.spec = 16
    target.run(70.0, load(160.0))
    counts = target.run(140.0, load(1.0))
    falls = [(before, after) for before, after in itertools.pairwise(counts) if after < before]
    assert falls
    assert all(after >= before // 2 for before, after in falls)


def test_a_restart_with_several_pods_begins_in_panic():
    """An autoscaler that lost its history does not lower what it cannot judge for a stable window."""
    target = Target(knative(), 8)
    counts = target.run(64.0, load(10.0))
    assert counts[:30] == [8] * 30
    assert counts[-1] < 8


def test_it_goes_to_zero_by_way_of_inactive_and_the_activator():
    """Active for the stable window, then 30 s behind the activator."""
    target = Target(knative(target_burst_capacity=0.0), 1)
    target.run(120.0, load(5.0))
    counts = target.run(200.0, load(0.0))
    # the last sample leaves the window 60 s after it was taken, a tick before the first of these; then 30 s of grace
    assert counts.index(0) * 2 == 58 + 30


def test_behind_the_activator_already_it_goes_at_once():
    """With a burst capacity that the revision never has, the time in proxy mode has long passed."""
    target = Target(knative(), 1)
    target.run(120.0, load(5.0))
    counts = target.run(200.0, load(0.0))
    assert 58 <= counts.index(0) * 2 <= 64


def test_retention_keeps_the_last_pod():
    """Five minutes after the last request was seen in the window."""
    target = Target(knative(pod_retention_seconds=300.0), 1)
    target.run(120.0, load(5.0))
    assert 358 <= target.run(500.0, load(0.0)).index(0) * 2 <= 366


def test_held_requests_wake_it_at_once():
    """At zero the activator reports what it holds."""
    target = Target(knative(), 0)
    assert target.tick(load(0.0)(0)).replicas == 0
    decision = target.tick(load(25.0)(0))
    # 25 now and 0 before are 12.5 in both windows
    assert (decision.replicas, decision.reason) == (2, Reason.WAKE)


def test_without_scale_to_zero_one_stays():
    """enable-scale-to-zero false."""
    target = Target(knative(scale_to_zero=False), 1)
    assert set(target.run(600.0, load(0.0))) == {1}


def test_a_pod_that_loads_is_not_taken_away_before_its_deadline():
    """Activating, and the demand gone: unknown until 600 s and 30 s have passed, then zero."""
    target = Target(knative(progress_deadline_seconds=60.0), 1)
    pods = replicas(0, starting=1)
    silent = {"pendingRequests": Quality.NO_PODS, "gatewayRequests": 0.0}
    counts = [target.tick(silent, pods=pods).replicas for _ in range(60)]
    assert counts.index(0) * 2 == 92


def test_no_data_keeps_the_last_scale():
    """With the source broken nothing new is decided."""
    target = Target(knative(), 1)
    target.run(30.0, load(45.0))
    wide = target.spec
    broken = {"pendingRequests": Quality.ERROR, "gatewayRequests": 0.0}
    counts = target.run(600.0, lambda _: broken)
    assert wide == 5
    assert set(counts) == {5}


def test_pods_that_did_not_report_are_like_the_others():
    """Thirty on three of four pods are forty on four."""
    target = Target(knative(), 4)
    seen = {"pendingRequests": signal("pendingRequests", 30.0, pods=3, missing=1), "gatewayRequests": 0.0}
    target.run(70.0, lambda _: seen)
    assert target.spec == 4


@pytest.mark.parametrize(("rate", "wanted"), [(140.0, 1), (141.0, 2)])
def test_a_rate_can_be_the_metric(rate, wanted):
    """Requests per second against 200 at 70 %."""
    parameters = Knative(max_replicas=50, metric="rps")
    assert Target(parameters, 1).tick({"requestRate": rate, "pendingRequests": 5.0}).replicas == wanted


def test_the_scale_down_delay_is_a_maximum():
    """A peak holds for the delay."""
    target = Target(knative(scale_down_delay_seconds=120.0, target_burst_capacity=0.0), 1)
    target.run(10.0, load(40.0))
    assert min(target.run(110.0, load(10.0))) >= 4


def test_it_starts_with_its_initial_scale():
    """Until three were ready once, at least three are wanted; later fewer will do."""
    target = Target(knative(initial_scale=3), 1)
    counts = target.run(200.0, load(5.0))
    assert counts[0] == 3
    assert counts[-1] == 1


def test_the_maximum_caps_it_and_there_is_none_by_default():
    """`max-scale` unset is no limit."""
    assert Target(knative(max_replicas=3), 1).tick(load(90.0)(1)).replicas == 3
    assert Target(Knative(target=10.0, target_utilization_percent=100.0), 1).tick(load(90.0)(1)).replicas == 9


def test_with_a_rate_held_requests_wake_it():
    """At zero there is no rate; what the activator holds stands for it."""
    parameters = Knative(max_replicas=50, metric="rps", target=1.0)
    target = Target(parameters, 0)
    assert target.tick({"requestRate": Quality.NO_PODS, **load(1.0)(0)}).replicas >= 1
    awake = Target(parameters, 2)
    silent = {"requestRate": Quality.EMPTY, "pendingRequests": 900.0, "gatewayRequests": 0.0}
    assert awake.tick(silent).reason is Reason.NO_OPINION


def test_it_asks_for_what_it_reads():
    """The rate only where that is the metric."""
    asked = {kind: {request.key for request in Knative(metric=kind).requests} for kind in ("rps", "concurrency")}
    assert asked["rps"] - asked["concurrency"] == {"requestRate"}
