"""What upstream's tables leave open, as upstream's source has it: each test names the function that decides."""

from __future__ import annotations

import pytest

from autoscaler.engine.behavior import (
    PolicyType,
    RatePolicy,
    Recommendation,
    ScaleEvent,
    ScalingRules,
    SelectPolicy,
    limit_rate,
    scale_down_limit,
    scale_up_limit,
    stabilize,
    store_event,
)
from autoscaler.peers.hpa_calculator import (
    Invalid,
    Proposed,
    Tolerances,
    average_value_replicas,
    pods_replicas,
    resource_replicas,
    value_replicas,
)
from autoscaler.peers.hpa_controller import Failed, History, Rulebook, combine, reconcile
from autoscaler.peers.hpa_legacy import limit_up, stabilize_down
from autoscaler.peers.hpa_pods import Patience, Pod, PodMetric, group
from autoscaler.peers.keda_activation import Activation, Past, Triggers, activate
from autoscaler.peers.keda_fallback import Fallback, FallbackBehavior, fallback_metric
from autoscaler.peers.knative_autoscaler import KpaSpec, KpaState, tick
from autoscaler.peers.knative_scaler import Phase, Revision, ScalerRules, scale_to

NOW = 1_700_000_000.0
TOLERANCES = Tolerances(0.1, 0.1)
TEN_PERCENT = ScalingRules(0.0, (RatePolicy(PolicyType.PERCENT, 10, 60.0),))


def pods(count: int) -> list[Pod]:
    """Return ready pods, each with a request of one core."""
    return [Pod(f"pod-{number}", request_milli=1000) for number in range(count)]


def samples(*milli: int) -> dict[str, PodMetric]:
    """Return a sample for the first pods."""
    return {f"pod-{number}": PodMetric(value, NOW) for number, value in enumerate(milli)}


class TestAges:
    """An age that equals a period or window exactly."""

    @pytest.mark.parametrize(("age", "limit"), [(59.999, 10), (60.0, 14), (60.001, 14)])
    def test_an_event_counts_while_younger_than_its_period(self, age, limit):
        """horizontal.go, getReplicasChangePerPeriod: `cutoff.Before(rec.timestamp)`, strictly."""
        rules = ScalingRules(0.0, (RatePolicy(PolicyType.PODS, 4, 60.0),))
        assert scale_up_limit(10, rules, (ScaleEvent(NOW - age, 4),), (), NOW) == limit

    @pytest.mark.parametrize(("age", "slots"), [(60.0, 2), (60.001, 1)])
    def test_a_slot_is_reused_once_older_than_the_longest_period(self, age, slots):
        """horizontal.go, markScaleEventsOutdated: `event.timestamp.Before(cutoff)`, strictly."""
        assert len(store_event((ScaleEvent(NOW - age, 4),), 2, 60.0, NOW)) == slots

    @pytest.mark.parametrize(("age", "replicas", "slots"), [(299.999, 9, 2), (300.0, 4, 2), (300.001, 4, 1)])
    def test_a_recommendation_counts_while_younger_than_its_window(self, age, replicas, slots):
        """horizontal.go, stabilizeRecommendationWithBehaviors: counts if After the cutoff, is reused if Before."""
        found, history = stabilize(9, 4, (0.0, 300.0), (Recommendation(NOW - age, 9),), NOW)
        assert (found, len(history)) == (replicas, slots)

    @pytest.mark.parametrize(("age", "replicas", "slots"), [(300.0, 9, 2), (300.001, 4, 1)])
    def test_without_behavior_the_window_includes_its_end(self, age, replicas, slots):
        """horizontal.go, stabilizeRecommendation: obsolete if Before the cutoff, and else it counts."""
        found, history = stabilize_down(4, 300.0, (Recommendation(NOW - age, 9),), NOW)
        assert (found, len(history)) == (replicas, slots)


class TestTolerance:
    """replica_calculator.go, Tolerances.isWithin: both ends keep the count."""

    @pytest.mark.parametrize(("milli", "replicas"), [(900, 10), (899, 9), (1100, 10), (1101, 12)])
    def test_a_ratio_on_the_edge_keeps_the_count(self, milli, replicas):
        """0.9 and 1.1 are within 10 %, a thousandth further is not."""
        found = pods_replicas(10, 1000, pods(10), samples(*[milli] * 10), TOLERANCES, NOW)
        assert found == Proposed(replicas, milli, milli)

    @pytest.mark.parametrize(("milli", "replicas"), [(1050, 10), (1051, 11), (700, 10), (699, 7)])
    def test_each_direction_has_its_own(self, milli, replicas):
        """A tolerance of 5 % up and 30 % down."""
        found = value_replicas(10, milli, 1000, pods(10), Tolerances(down=0.3, up=0.05))
        assert found == Proposed(replicas, milli, milli)

    def test_from_zero_there_is_none(self):
        """GetObjectMetricReplicas: with no replicas the ratio is rounded up as it is."""
        assert value_replicas(0, 1050, 1000, [], TOLERANCES) == Proposed(2, 1050, 1050)
        assert average_value_replicas(0, 1050, 1000, TOLERANCES).replicas == 2

    def test_a_total_against_its_average_target_asks_no_pod(self):
        """GetObjectPerPodMetricReplicas: 1.1 of the target per replica in status is within, a little more is not."""
        assert average_value_replicas(10, 11_000, 1000, TOLERANCES).replicas == 10
        assert average_value_replicas(10, 11_001, 1000, TOLERANCES).replicas == 12


class TestTruncation:
    """metrics/utilization.go: integers, truncated, before the ratio is taken."""

    def test_a_utilization_is_a_whole_percentage(self):
        """87.9 % of the request is 87 %, and that over 79 is 1.1012: exact it would be 1.1127."""
        found = resource_replicas(100, 79, "memory", pods(1), samples(879), TOLERANCES, NOW)
        assert found == Proposed(2, 87, 879)
        assert resource_replicas(100, 80, "memory", pods(1), samples(889), TOLERANCES, NOW).replicas == 100

    def test_a_mean_is_a_whole_thousandth(self):
        """Three pods with 3301 together have 1100, which is within 10 % of 1000: 1100.33 would not be."""
        found = pods_replicas(3, 1000, pods(3), samples(1100, 1100, 1101), TOLERANCES, NOW)
        assert found == Proposed(3, 1100, 1100)

    @pytest.mark.parametrize(("current", "limit"), [(10, 9), (11, 9), (19, 17), (1, 0)])
    def test_a_percent_policy_truncates_downwards(self, current, limit):
        """horizontal.go, calculateScaleDownLimitWithBehaviors: int32(float), toward zero."""
        assert scale_down_limit(current, TEN_PERCENT, (), (), NOW) == limit

    @pytest.mark.parametrize(("current", "limit"), [(10, 11), (11, 13), (1, 2)])
    def test_a_percent_policy_rounds_upwards(self, current, limit):
        """horizontal.go, calculateScaleUpLimitWithScalingRules: math.Ceil."""
        assert scale_up_limit(current, TEN_PERCENT, (), (), NOW) == limit


class TestMissing:
    """replica_calculator.go: pods without a sample."""

    def test_on_the_way_up_they_count_as_nothing(self):
        """Two pods at twice the target and one unknown: 4000 over three is 1.333, not 2."""
        assert pods_replicas(3, 1000, pods(3), samples(2000, 2000), TOLERANCES, NOW).replicas == 4

    def test_on_the_way_down_they_count_as_the_target(self):
        """Two idle pods and one unknown: 1000 over three is 0.333."""
        assert pods_replicas(3, 1000, pods(3), samples(0, 0), TOLERANCES, NOW).replicas == 1

    def test_they_may_turn_a_direction_round_and_then_nothing_happens(self):
        """Two pods at 1.2 of the target and two unknown are 0.6 together: no."""
        assert pods_replicas(4, 1000, pods(4), samples(1200, 1200), TOLERANCES, NOW).replicas == 4

    def test_at_the_target_they_are_left_out(self):
        """A ratio of exactly 1 says nothing of the missing."""
        assert pods_replicas(4, 1000, pods(4), samples(1000, 1000), TOLERANCES, NOW).replicas == 4

    def test_at_the_target_of_a_resource_they_are_left_out(self):
        """GetResourceReplicas: neither filled in as used nor as idle at a ratio of exactly 1."""
        found = resource_replicas(3, 50, "memory", pods(3), samples(500, 500), TOLERANCES, NOW)
        assert found == Proposed(3, 50, 500)

    def test_a_value_multiplies_running_and_ready_pods(self):
        """getReadyPodsCount: phase Running and the Ready condition, both."""
        mixed = [*pods(2), Pod("pod-2", ready=False), Pod("pod-3", ready=None), Pod("pod-4", "Pending", ready=True)]
        assert value_replicas(5, 2000, 1000, mixed, TOLERANCES) == Proposed(4, 2000, 2000)

    def test_nothing_but_pending_pods_is_no_metric(self):
        """GetMetricReplicas fails with no sample of a pod that counts."""
        waiting = [Pod("pod-0", "Pending", ready=False)]
        found = pods_replicas(1, 1000, waiting, samples(500), TOLERANCES, NOW)
        assert found == Invalid("did not receive metrics for targeted pods (pods might be unready)")


@pytest.mark.parametrize(("age", "unready"), [(59.0, ("pod-0",)), (60.0, ()), (61.0, ())])
def test_cpu_is_believed_one_window_after_a_pod_became_ready(age, unready):
    """replica_calculator.go, groupPods: `metric.Timestamp.Before(transition + window)`, strictly."""
    pod = Pod("pod-0", started_at=NOW - 100, ready_changed_at=NOW - age)
    groups = group([pod], samples(500), "cpu", Patience(120.0, 10.0), NOW)
    assert groups.unready == unready


@pytest.mark.parametrize(("age", "unready"), [(119.0, ("pod-0",)), (120.0, ())])
def test_cpu_of_a_pod_that_was_ready_once_counts_after_its_initialization(age, unready):
    """replica_calculator.go, groupPods: `StartTime.Add(cpuInitializationPeriod).After(now)`, strictly."""
    pod = Pod("pod-0", ready=False, started_at=NOW - age, ready_changed_at=NOW - 5)
    assert group([pod], samples(500), "cpu", Patience(120.0, 10.0), NOW).unready == unready


class TestDisabled:
    """horizontal.go: selectPolicy Disabled means no change in that direction, and only in that."""

    DISABLED = ScalingRules(0.0, (RatePolicy(PolicyType.PODS, 4, 60.0),), SelectPolicy.DISABLED)

    @pytest.mark.parametrize(("desired", "replicas"), [(20, 10), (3, 6)])
    def test_up(self, desired, replicas):
        """Nothing goes up, and down it goes by its own policy."""
        down = ScalingRules(0.0, (RatePolicy(PolicyType.PODS, 4, 60.0),))
        assert limit_rate(10, desired, (1, 30), (self.DISABLED, down), ((), ()), NOW).replicas == replicas

    @pytest.mark.parametrize(("desired", "replicas"), [(20, 14), (3, 10)])
    def test_down(self, desired, replicas):
        """Nothing goes down, and up it goes by its own policy."""
        up = ScalingRules(0.0, (RatePolicy(PolicyType.PODS, 4, 60.0),))
        assert limit_rate(10, desired, (1, 30), (up, self.DISABLED), ((), ()), NOW).replicas == replicas


@pytest.mark.parametrize(("select", "limit"), [(SelectPolicy.MAX, 14), (SelectPolicy.MIN, 11)])
def test_two_policies_count_each_over_its_own_period(select, limit):
    """horizontal.go, calculateScaleUpLimitWithScalingRules: six added 90 s ago weigh on ten minutes, not on one."""
    policies = (RatePolicy(PolicyType.PODS, 4, 60.0), RatePolicy(PolicyType.PODS, 7, 600.0))
    rules = ScalingRules(0.0, policies, select)
    assert scale_up_limit(10, rules, (ScaleEvent(NOW - 90.0, 6),), (), NOW) == limit


class TestReconcile:
    """horizontal.go, computeReplicasForMetrics and reconcileAutoscaler."""

    def test_all_metrics_invalid_hold(self):
        """No metric, no change."""
        for count in (5, 0):
            assert combine(count, [Failed("FailedGetPodsMetric", "")]).replicas is None

    def test_one_invalid_metric_lets_the_others_raise(self):
        """It forbids a decrease only; staying is no decrease."""
        broken = Failed("FailedGetPodsMetric", "")
        assert combine(5, [broken, Proposed(7, 0, 0)]).replicas == 7
        assert combine(5, [broken, Proposed(5, 0, 0)]).replicas == 5
        assert combine(5, [broken, Proposed(4, 0, 0)]).replicas is None

    def test_a_count_out_of_bounds_is_set_to_the_nearer_one_whatever_the_windows(self):
        """Above the maximum and below the minimum no metric is asked."""
        history = History((Recommendation(NOW, 9),))
        outcomes = [reconcile(Rulebook(3, 5), count, [], history, NOW).replicas for count in (9, 2)]
        assert outcomes == [5, 3]

    @pytest.mark.parametrize(("current", "replicas"), [(1, 4), (2, 4), (3, 6), (30, 60)])
    def test_without_behavior_it_doubles_or_goes_to_four(self, current, replicas):
        """calculateScaleUpLimit: max(2 x current, 4)."""
        assert limit_up(current, 1000, (1, 2000)).replicas == replicas


class TestKnative:
    """What the tables for the KPA leave open."""

    SPEC = KpaSpec(10.0, 14.0, panic_threshold=2.0, stable_window_seconds=60.0)

    @pytest.mark.parametrize(("age", "panics"), [(60.0, True), (60.001, False)])
    def test_panic_ends_strictly_after_the_stable_window(self, age, panics):
        """autoscaler.go, Scale: `panicTime.Add(StableWindow).Before(now)`."""
        state = KpaState(NOW - age, 8)
        scale, after = tick(self.SPEC, state, ready=8, stable=10.0, panic=10.0, now=NOW)
        assert (after.panic_since is not None, scale.replicas) == (panics, 8 if panics else 4)

    def test_retention_holds_a_pod_that_is_proxied_long_enough(self):
        """scaler.go, handleScaleToZero: the last pod's retention is checked before the time in proxy mode."""
        rules = ScalerRules(grace_seconds=30.0, retention_seconds=120.0)
        revision = Revision(1, Phase.INACTIVE, phase_seconds=119.0, proxied_seconds=500.0)
        assert not scale_to(0, rules, revision, lambda: True).applies
        assert scale_to(0, rules, revision._replace(phase_seconds=120.0), lambda: True).applies

    def test_a_short_time_inactive_is_enough_when_proxied_long_enough(self):
        """scaler.go, handleScaleToZero: the fast path."""
        revision = Revision(1, Phase.INACTIVE, phase_seconds=0.0, proxied_seconds=30.0)
        assert scale_to(0, ScalerRules(grace_seconds=30.0), revision, lambda: True).applies

    @pytest.mark.parametrize("phase", [Phase.ACTIVE, Phase.INACTIVE])
    def test_an_unknown_scale_changes_nothing(self, phase):
        """scaler.go, scale: `desiredScale < 0 && !IsActivating` returns before anything else."""
        found = scale_to(-1, ScalerRules(min_scale=2), Revision(5, phase, 999.0), lambda: True)
        assert (found.replicas, found.applies) == (-1, False)

    def test_with_the_activator_always_in_the_path_it_is_not_probed(self):
        """scaler.go, handleScaleToZero: a target burst capacity of -1."""
        revision = Revision(1, Phase.INACTIVE, phase_seconds=30.0)
        assert scale_to(0, ScalerRules(always_proxied=True), revision, lambda: False).applies
        assert not scale_to(0, ScalerRules(), revision, lambda: False).applies

    def test_activation_times_out_strictly_after_its_deadline(self):
        """scaler.go, CanFailActivation: longer than the deadline, and until then the scale is unknown."""
        rules = ScalerRules(activation_timeout_seconds=151.0)
        revision = Revision(1, Phase.ACTIVATING, phase_seconds=151.0)
        assert scale_to(0, rules, revision, lambda: True).replicas == -1
        assert scale_to(0, rules, revision._replace(phase_seconds=151.5), lambda: True).applies


class TestKeda:
    """scale_scaledobjects.go: cooldowns, which have no table."""

    RULES = Activation(0, None, cooldown_seconds=300.0, initial_cooldown_seconds=60.0)
    QUIET = Triggers(active=False, failed=False)

    @pytest.mark.parametrize(("age", "replicas"), [(300.0, 5), (300.5, 0)])
    def test_the_cooldown_is_over_strictly_after_it(self, age, replicas):
        """scaleToZeroOrIdle: `LastActiveTime.Add(cooldownPeriod).Before(now)`; at any count, past the HPA."""
        past = Past(NOW - 9000.0, NOW - age)
        assert activate(self.RULES, 5, self.QUIET, past, NOW).replicas == replicas

    @pytest.mark.parametrize(("age", "replicas"), [(60.0, 5), (60.5, 0)])
    def test_never_active_counts_from_creation(self, age, replicas):
        """scaleToZeroOrIdle: without a LastActiveTime, the initial cooldown since creation, strictly."""
        assert activate(self.RULES, 5, self.QUIET, Past(NOW - age), NOW).replicas == replicas

    def test_a_failing_trigger_holds(self):
        """RequestScale: an error without fallback, or with one, writes nothing."""
        failed = Triggers(active=False, failed=True)
        for rules in (self.RULES, self.RULES._replace(has_fallback=True, fallback_replicas=3)):
            assert not activate(rules, 5, failed, Past(0.0), NOW).writes

    def test_a_fallback_of_zero_holds_nothing(self):
        """RequestScale: `Fallback != nil && Fallback.Replicas != 0` is false, and so is `Fallback == nil`."""
        rules = self.RULES._replace(has_fallback=True, fallback_replicas=0)
        assert activate(rules, 5, Triggers(active=False, failed=True), Past(0.0), NOW).replicas == 0

    def test_an_active_trigger_beside_a_failed_one_does_not_renew_the_time(self):
        """RequestScale: the case isError comes before the one that sets LastActiveTime."""
        found = activate(self.RULES, 5, Triggers(active=True, failed=True), Past(0.0, NOW - 500.0), NOW)
        assert found.last_active_at == NOW - 500.0

    def test_the_idle_count_takes_the_place_of_the_minimum(self):
        """getIdleOrMinimumReplicaCount, and waking up to the minimum."""
        rules = Activation(3, 0)
        assert activate(rules, 5, self.QUIET, Past(0.0, 1.0), NOW).replicas == 0
        assert activate(rules, 0, Triggers(active=True, failed=False), Past(0.0), NOW).replicas == 3
        assert not activate(rules, 0, self.QUIET, Past(0.0), NOW).writes

    def test_below_the_minimum_an_active_target_is_raised_in_idle_mode_only(self):
        """RequestScale: without an idle count, that is the HPA's business."""
        active = Triggers(active=True, failed=False)
        assert activate(Activation(3, 0), 2, active, Past(0.0), NOW).replicas == 3
        assert not activate(Activation(3, None), 2, active, Past(0.0), NOW).writes
        at_minimum = activate(Activation(3, 0), 3, active, Past(0.0), NOW)
        assert (at_minimum.writes, at_minimum.last_active_at) == (False, NOW)

    def test_paused_writes_nothing(self):
        """HandlePaused comes before all else."""
        found = activate(self.RULES._replace(paused=True), 0, Triggers(active=True, failed=False), Past(0.0), NOW)
        assert (found.writes, found.active) == (False, None)

    @pytest.mark.parametrize(
        ("behavior", "metric"), [("static", 40), ("currentReplicas", 60), ("currentReplicasIfLower", 40)]
    )
    def test_fallback_behaviors(self, behavior, metric):
        """fallback.go, doFallback: which count the metric stands for."""
        assert fallback_metric(Fallback(3, 4, FallbackBehavior(behavior)), 6, 10.0) == metric

    def test_a_fallback_on_a_value_is_divided_by_the_ready_pods(self):
        """fallback.go, doFallback: the HPA multiplies it with them again; without any there is none."""
        assert fallback_metric(Fallback(3, 4), 6, 10.0, ready=2) == 20.0
        assert fallback_metric(Fallback(3, 4), 6, 10.0, ready=0) is None
