from __future__ import annotations

import pytest
from pydantic import ValidationError

from autoscaler.engine.behavior import DEFAULT_DOWN, DEFAULT_UP
from autoscaler.engine.decision import Reason
from autoscaler.engine.observation import Quality
from autoscaler.peers.hpa import Hpa, HpaMetric, MetricType
from tests.peers.builders import Target, replicas, signal

PENDING = HpaMetric(type=MetricType.PODS, signals=("pendingRequests",), average_value=10.0)
TOTAL = HpaMetric(type=MetricType.EXTERNAL, signals=("pendingRequests",), average_value=10.0)
RATIO = HpaMetric(type=MetricType.EXTERNAL, signals=("pendingRequests",), value=100.0)


def hpa(*metrics: HpaMetric, **more) -> Hpa:
    """Return an HPA from 1 to 40."""
    return Hpa(**{"min_replicas": 1, "max_replicas": 40, "metrics": metrics, **more})


def test_a_mean_per_pod_is_a_ratio_of_the_ready_ones():
    """Sixty in flight on three pods are 20 each: twice the target, six replicas, limited to doubling or four."""
    decision = Target(hpa(PENDING), 3).tick({"pendingRequests": 60.0})
    assert (decision.replicas, decision.reason) == (6, Reason.DEMAND)


def test_pods_that_start_count_as_nothing_on_the_way_up():
    """The same sixty with three pending pods beside them are within the target of six."""
    decision = Target(hpa(PENDING), 6).tick({"pendingRequests": 60.0}, pods=replicas(3, starting=3))
    assert decision.replicas == 6


def test_running_pods_without_a_sample_argue_against_going_down():
    """Idle pods ask for one replica; three that load with phase Running count as full."""
    loading = replicas(3, starting=3, phase="Running")
    target = Target(hpa(PENDING, downscale_stabilization_seconds=0.0), 6)
    target.tick({"pendingRequests": 60.0}, pods=loading)
    decision = target.tick({"pendingRequests": signal("pendingRequests", 0.0, 3)}, pods=loading)
    assert decision.replicas == 3


def test_a_total_is_absolute_demand():
    """Two hundred over ten are twenty replicas whatever runs, in doublings."""
    target = Target(hpa(TOTAL), 2)
    assert target.run(60.0, lambda _: {"pendingRequests": 200.0}) == [4, 8, 16, 20]


def test_a_value_is_a_ratio_and_compounds():
    """Twice the target Value doubles the ready pods at each turn."""
    target = Target(hpa(RATIO), 2)
    assert target.run(45.0, lambda _: {"pendingRequests": 200.0}) == [4, 8, 16]


def test_it_goes_down_only_after_the_window():
    """A first call seeds the history with what there is: 300 s, inclusive without a behavior block, hold it."""
    target = Target(hpa(TOTAL), 8)
    counts = target.run(330.0, lambda _: {"pendingRequests": 10.0})
    assert counts == [8] * 21 + [1]


def test_with_behavior_the_window_ends_at_its_length():
    """The same with the defaults written out: at exactly 300 s the seed no longer counts."""
    target = Target(hpa(TOTAL, behavior=(DEFAULT_UP, DEFAULT_DOWN)), 8)
    counts = target.run(330.0, lambda _: {"pendingRequests": 10.0})
    assert counts == [8] * 20 + [1] * 2


def test_behavior_counts_its_own_events():
    """Four pods or 100 % per 15 s: what was added within the period counts against it."""
    target = Target(hpa(TOTAL, behavior=(DEFAULT_UP, DEFAULT_DOWN), sync_period_seconds=5.0), 2, every_seconds=5.0)
    counts = target.run(30.0, lambda _: {"pendingRequests": 400.0})
    assert counts == [6, 6, 6, 12, 12, 12]


def test_the_highest_of_several_metrics_counts():
    """One metric asks for two, another for four."""
    queue = HpaMetric(type=MetricType.EXTERNAL, signals=("queueDepth",), average_value=1.0)
    decision = Target(hpa(TOTAL, queue), 2).tick({"pendingRequests": 20.0, "queueDepth": 4.0})
    assert decision.replicas == 4
    assert [name for name, _ in decision.proposals] == ["External/pendingRequests", "External/queueDepth"]


@pytest.mark.parametrize(("queue", "replicas", "reason"), [(1.0, 5, Reason.SIGNAL_NOT_OK), (8.0, 8, Reason.DEMAND)])
def test_a_failing_metric_forbids_down_and_never_up(queue, replicas, reason):
    """Upstream's partial failure."""
    other = HpaMetric(type=MetricType.EXTERNAL, signals=("queueDepth",), average_value=1.0)
    target = Target(hpa(TOTAL, other, downscale_stabilization_seconds=0.0), 5)
    decision = target.tick({"pendingRequests": Quality.ERROR, "queueDepth": queue})
    assert (decision.replicas, decision.reason) == (replicas, reason)


@pytest.mark.parametrize("quality", [Quality.ERROR, Quality.EMPTY, Quality.NO_PODS, Quality.STALE])
def test_without_any_metric_it_holds(quality):
    """All metrics invalid: no change."""
    decision = Target(hpa(TOTAL, PENDING), 5).tick({"pendingRequests": quality})
    assert (decision.replicas, decision.reason) == (5, Reason.NO_OPINION)


def test_nan_reads_as_zero():
    """prometheus-adapter hands on 0, which is why an idle quantile scales down."""
    latency = HpaMetric(type=MetricType.EXTERNAL, signals=("timeToFirstToken:0.99",), value=2.0)
    target = Target(hpa(latency, downscale_stabilization_seconds=0.0), 5)
    target.tick({"timeToFirstToken:0.99": 2.0})
    assert target.tick({"timeToFirstToken:0.99": Quality.NAN}).replicas == 1


def test_unlisted_pods_hold():
    """Without the list of pods no metric can be used."""
    decision = Target(hpa(PENDING), 5).tick({"pendingRequests": 900.0}, replicas_quality=Quality.ERROR)
    assert decision.replicas == 5


def test_it_wakes_from_zero_on_an_external_metric_only():
    """With minReplicas 0: ceil(total / target) without tolerance; a Pods metric alone would never see anything."""
    held = HpaMetric(type=MetricType.EXTERNAL, signals=("gatewayRequests",), average_value=10.0)
    assert Target(hpa(held, min_replicas=0), 0).tick({"gatewayRequests": 11.0}).replicas == 2
    with pytest.raises(ValidationError, match="at least one Object or External metric"):
        hpa(PENDING, min_replicas=0)
    assert Hpa(metrics=(PENDING,)).within(0, 8).min_replicas == 1


def test_several_series_are_summed_and_absent_ones_left_out():
    """An External metric may match several series."""
    both = HpaMetric(type=MetricType.EXTERNAL, signals=("pendingRequests", "gatewayRequests"), average_value=10.0)
    target = Target(hpa(both), 1)
    assert target.tick({"pendingRequests": 20.0, "gatewayRequests": 20.0}).replicas == 4
    assert target.tick({"pendingRequests": Quality.NO_PODS, "gatewayRequests": 50.0}).replicas == 5


def test_at_zero_with_a_minimum_above_it_is_off():
    """Upstream's implicit maintenance mode."""
    decision = Target(hpa(TOTAL), 0).tick({"pendingRequests": 900.0})
    assert (decision.replicas, decision.reason) == (0, Reason.OFF)


@pytest.mark.parametrize(("percent", "replicas"), [(88.0, 4), (89.9, 5), (40.0, 2)])
def test_resource_utilization_is_a_whole_percentage(percent, replicas):
    """The mean of four pods against 80 %: 88 is within 10 %, 89.9 is read as 89."""
    metric = HpaMetric(type=MetricType.RESOURCE, signals=("cpuUtilization",), average_utilization=80)
    target = Target(hpa(metric, downscale_stabilization_seconds=0.0), 4)
    target.state = target.state._replace(recommendations=())
    target.tick({"cpuUtilization": 80.0})
    assert target.tick({"cpuUtilization": percent}).replicas == replicas


def test_a_mean_signal_leaves_out_those_that_did_not_report():
    """A mean of 60 with one of four counted as 0 is 80 for the other three, and the fourth is missing."""
    metric = HpaMetric(type=MetricType.PODS, signals=("gpuUtilization",), average_value=40.0)
    seen = signal("gpuUtilization", 60.0, pods=3, missing=1)
    # (3 x 80 + 0) / 4 = 60: 1.5 of the target on four
    assert Target(hpa(metric), 4).tick({"gpuUtilization": seen}).replicas == 6


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "Pods", "signals": ["queueDepth"], "value": 1.0},
        {"type": "Pods", "signals": ["queueDepth"]},
        {"type": "Resource", "signals": ["cpuUtilization"], "value": 1.0},
        {"type": "External", "signals": ["queueDepth"], "value": 1.0, "averageValue": 1.0},
        {"type": "Pods", "signals": ["queueDepth", "x"], "averageValue": 1.0},
        {"type": "External", "signals": [], "value": 1.0},
        {"type": "External", "signals": ["queueDepth"], "value": 0.0},
    ],
)
def test_a_metric_needs_one_fitting_target(wrong):
    """What upstream's validation refuses is refused."""
    with pytest.raises(ValidationError):
        HpaMetric.model_validate(wrong)


def test_the_trail_tells_of_every_stage():
    """From the metrics over the window to the limits; where no metric was asked, what was done instead."""
    target = Target(hpa(TOTAL, max_replicas=6), 3)
    stages = target.tick({"pendingRequests": 90.0}).trail
    assert [(stage.name, stage.before, stage.after) for stage in stages] == [
        ("metrics", 3, 9),
        ("stabilization", 9, 9),
        ("limits", 9, 6),
    ]
    assert stages[-1].why == "TooManyReplicas"
    target.spec = 9
    above = target.tick({"pendingRequests": 90.0})
    assert ([stage.name for stage in above.trail], above.reason) == (["reconcile"], Reason.MAX_REPLICAS)


@pytest.mark.parametrize("wrong", [{"min_replicas": "1"}, {"max_replicas": 0}, {"metrics": ()}])
def test_wrong_parameters_are_refused(wrong):
    """As upstream's validation does."""
    with pytest.raises(ValidationError):
        Hpa(**wrong)
