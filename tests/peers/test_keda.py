from __future__ import annotations

import pytest
from pydantic import ValidationError

from autoscaler.engine.decision import Reason
from autoscaler.engine.observation import Quality
from autoscaler.peers.keda import FallbackModel, Keda, Trigger
from autoscaler.peers.keda_fallback import FallbackBehavior
from tests.peers.builders import Target

QUEUE = Trigger(signals=("queueDepth",), threshold=5.0)
STRICT = Trigger(signals=("queueDepth",), threshold=5.0, ignore_null_values=False)


def keda(*triggers: Trigger, **more) -> Keda:
    """Return a ScaledObject from 0 to 20."""
    return Keda(**{"min_replicas": 0, "max_replicas": 20, "triggers": triggers or (QUEUE,), **more})


def test_it_wakes_to_one_and_leaves_the_rest_to_the_hpa():
    """Zero to one by the operator, then the total over the threshold, in doublings or to four."""
    target = Target(keda(), 0)
    assert target.run(60.0, lambda _: {"queueDepth": 100.0}) == [1, 4, 8, 16]


def test_it_polls_every_thirty_seconds():
    """A queue that shows just after a poll waits for the next."""
    target = Target(keda(), 0)
    target.tick({"queueDepth": 0.0})
    assert target.run(30.0, lambda _: {"queueDepth": 100.0}) == [0, 1]


@pytest.mark.parametrize(("depth", "replicas"), [(10.0, 0), (10.1, 1)])
def test_the_activation_threshold_is_strict(depth, replicas):
    """Active is above, not at."""
    trigger = Trigger(signals=("queueDepth",), threshold=5.0, activation_threshold=10.0)
    assert Target(keda(trigger), 0).tick({"queueDepth": depth}).replicas == replicas


def test_the_cooldown_takes_all_at_once():
    """Five to zero 300 s after the last activity, past the HPA's rates; the HPA's own window holds till then."""
    target = Target(keda(), 5)
    target.tick({"queueDepth": 25.0})
    counts = target.run(360.0, lambda _: {"queueDepth": 0.0})
    # last active at 0 s, polled every 30 s: the first poll strictly later than 300 s is that of 330 s
    assert counts.index(0) == 21
    assert counts[:20] == [5] * 20
    assert counts[20] == 1  # the HPA's window of 300 s has passed, and its minimum is one


def test_never_active_it_goes_to_zero_after_the_initial_cooldown():
    """A pod that loads is not protected by anything else."""
    target = Target(keda(initial_cooldown_seconds=60.0), 1)
    assert target.run(120.0, lambda _: {"queueDepth": 0.0}) == [1, 1, 1, 1, 1, 1, 0, 0]


@pytest.mark.parametrize("quality", [Quality.EMPTY, Quality.NO_PODS, Quality.STALE, Quality.NAN])
def test_no_series_is_idle_by_default(quality):
    """ignoreNullValues, upstream's default: broken metrics look like no work."""
    target = Target(keda(), 3)
    assert target.run(60.0, lambda _: {"queueDepth": quality})[-1] == 0
    strict = Target(keda(STRICT), 3)
    assert strict.run(600.0, lambda _: {"queueDepth": quality})[-1] == 3


def test_an_error_holds_without_fallback():
    """Neither half does anything."""
    target = Target(keda(), 3)
    assert set(target.run(900.0, lambda _: {"queueDepth": Quality.ERROR})) == {3}


def test_the_fallback_comes_after_more_failures_than_the_threshold():
    """Three failures pass, the fourth is replaced; and they are counted where the HPA asks."""
    target = Target(keda(fallback=FallbackModel(failure_threshold=3, replicas=6)), 3)
    assert target.run(90.0, lambda _: {"queueDepth": Quality.ERROR}) == [3, 3, 3, 6, 6, 6]


def test_a_good_answer_ends_the_count():
    """Failures in a row, not in all."""
    target = Target(keda(fallback=FallbackModel(failure_threshold=1, replicas=6)), 3)
    answers = [Quality.ERROR, 15.0, Quality.ERROR, 15.0, Quality.ERROR, Quality.ERROR]
    assert [target.tick({"queueDepth": answer}).replicas for answer in answers] == [3, 3, 3, 3, 3, 6]


def test_the_fallback_cannot_wake():
    """At zero the HPA asks for no metric, so nothing is ever counted."""
    target = Target(keda(fallback=FallbackModel(failure_threshold=3, replicas=6)), 0)
    assert set(target.run(600.0, lambda _: {"queueDepth": Quality.ERROR})) == {0}


def test_a_fallback_of_what_there_is_keeps_it():
    """CurrentReplicasIfHigher with more than the fallback."""
    fallback = FallbackModel(failure_threshold=1, replicas=2, behavior=FallbackBehavior.IF_HIGHER)
    target = Target(keda(fallback=fallback), 7)
    assert set(target.run(900.0, lambda _: {"queueDepth": Quality.ERROR})) == {7}


def test_any_trigger_keeps_it_awake_and_the_highest_sizes():
    """Two triggers: one asleep, one that wants three."""
    other = Trigger(signals=("pendingRequests",), threshold=10.0)
    target = Target(keda(QUEUE, other), 1)
    decision = target.tick({"queueDepth": 0.0, "pendingRequests": 30.0})
    assert (decision.replicas, decision.reason) == (3, Reason.DEMAND)
    assert target.run(600.0, lambda _: {"queueDepth": 0.0, "pendingRequests": 30.0})[-1] == 3


def test_a_value_is_a_ratio():
    """MetricType Value: twice the threshold doubles the ready pods."""
    trigger = Trigger(signals=("queueDepth",), threshold=5.0, metric_type="Value")
    assert Target(keda(trigger), 3).tick({"queueDepth": 10.0}).replicas == 6


def test_the_minimum_is_restored_when_inactive():
    """Below the minimum and not active: raised at once."""
    assert Target(keda(min_replicas=4), 1).tick({"queueDepth": 0.0}).replicas == 4


def test_a_resource_sizes_and_does_not_wake():
    """A cpu trigger is the HPA's alone: busy, it raises; at zero only the query counts."""
    cpu = Trigger(signals=("cpuUtilization",), type="cpu", threshold=50.0)
    awake = Target(keda(QUEUE, cpu), 2)
    assert awake.tick({"queueDepth": 1.0, "cpuUtilization": 100.0}).replicas == 4
    # 120 % of the target on four are 4.8
    assert Target(keda(QUEUE, cpu), 4).tick({"queueDepth": 1.0, "cpuUtilization": 60.0}).replicas == 5
    asleep = Target(keda(QUEUE, cpu), 0)
    assert asleep.tick({"queueDepth": 0.0, "cpuUtilization": Quality.ERROR}).replicas == 0
    idle = Target(keda(QUEUE, cpu), 2)
    assert idle.run(60.0, lambda _: {"queueDepth": 0.0, "cpuUtilization": 100.0})[-1] == 0


def test_zero_with_resources_only_is_refused():
    """Nothing could wake it."""
    with pytest.raises(ValidationError, match="not cpu or memory"):
        keda(Trigger(signals=("cpuUtilization",), type="cpu", threshold=50.0))


def test_a_signal_that_nobody_collected_is_an_error():
    """It is not an answer without series."""
    assert set(Target(keda(), 3).run(600.0, lambda _: {})) == {3}


@pytest.mark.parametrize("wrong", [{"min_replicas": "0"}, {"max_replicas": 0}, {"min_replicas": 9, "max_replicas": 3}])
def test_wrong_bounds_are_refused(wrong):
    """As upstream's webhook does."""
    with pytest.raises(ValidationError):
        Keda(**wrong)
