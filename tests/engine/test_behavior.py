"""Boundaries of the HPA's `behavior` that upstream's tables leave open.

Upstream: kubernetes/kubernetes pkg/controller/podautoscaler/horizontal.go.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.engine.behavior import (
    DEFAULT_DOWN,
    DEFAULT_UP,
    REPLICAS_LIMIT,
    Limited,
    PolicyType,
    RatePolicy,
    Recommendation,
    ScaleEvent,
    ScalingRules,
    SelectPolicy,
    change_in_period,
    limit_rate,
    scale_down_limit,
    scale_up_limit,
    stabilize,
    store_event,
)

NOW = 1_000_000.0


def percent(value: int, period: float = 60.0) -> RatePolicy:
    """Return a percent policy."""
    return RatePolicy(PolicyType.PERCENT, value, period)


def pods(value: int, period: float = 60.0) -> RatePolicy:
    """Return a pods policy."""
    return RatePolicy(PolicyType.PODS, value, period)


def rules(*policies: RatePolicy, select: SelectPolicy = SelectPolicy.MAX) -> ScalingRules:
    """Return one direction without a window."""
    return ScalingRules(0.0, policies, select)


def test_the_defaults_are_upstreams():
    """apis/autoscaling/v2/defaults.go: up 4 pods or 100 % per 15 s, no window; down 100 % per 15 s, 300 s."""
    assert ScalingRules(0.0, (pods(4, 15.0), percent(100, 15.0)), SelectPolicy.MAX, 0.1) == DEFAULT_UP
    assert ScalingRules(300.0, (percent(100, 15.0),), SelectPolicy.MAX, 0.1) == DEFAULT_DOWN


@pytest.mark.parametrize(("age", "counted"), [(59.999, 5), (60.0, 0), (60.001, 0)])
def test_an_event_counts_strictly_within_its_period(age, counted):
    """getReplicasChangePerPeriod: `timestamp.After(cutoff)`, so an event exactly one period old does not count."""
    assert counted == change_in_period((ScaleEvent(NOW - age, 5),), 60.0, NOW)


@pytest.mark.parametrize(("age", "kept"), [(59.999, 2), (60.0, 2), (60.001, 1)])
def test_an_event_is_written_over_strictly_after_its_period(age, kept):
    """markScaleEventsOutdated: `timestamp.Before(cutoff)`, so an event exactly one period old keeps its slot."""
    assert kept == len(store_event((ScaleEvent(NOW - age, 5),), 1, 60.0, NOW))


@pytest.mark.parametrize(("age", "replicas"), [(299.999, 9), (300.0, 3), (300.001, 3)])
def test_a_recommendation_counts_strictly_within_the_window(age, replicas):
    """stabilizeRecommendationWithBehaviors: `rec.timestamp.After(downCutoff)`."""
    assert replicas == stabilize(9, 3, (0.0, 300.0), (Recommendation(NOW - age, 9),), NOW)[0]


@pytest.mark.parametrize(("age", "slots"), [(300.0, 2), (300.001, 1)])
def test_a_slot_is_written_over_only_when_outside_both_windows(age, slots):
    """stabilizeRecommendationWithBehaviors: obsolete only before the cutoff of the up and of the down window."""
    for windows in ((0.0, 300.0), (300.0, 0.0)):
        assert slots == len(stabilize(9, 3, windows, (Recommendation(NOW - age, 9),), NOW)[1])


def test_only_one_obsolete_slot_is_written_over_the_last():
    """stabilizeRecommendationWithBehaviors: the loop keeps the last index it found."""
    history = (Recommendation(NOW - 900, 1), Recommendation(NOW - 800, 2), Recommendation(NOW - 10, 3))
    _, after = stabilize(3, 4, (0.0, 300.0), history, NOW)
    assert [entry.replicas for entry in after] == [1, 4, 3]


def test_the_up_window_holds_a_rise_to_the_least_wanted():
    """Up: the least recommendation of the window, and never below the present count."""
    assert stabilize(3, 9, (60.0, 0.0), (Recommendation(NOW - 30, 5),), NOW)[0] == 5
    assert stabilize(6, 9, (60.0, 0.0), (Recommendation(NOW - 30, 5),), NOW)[0] == 6


@pytest.mark.parametrize("direction", [scale_up_limit, scale_down_limit])
def test_disabled_means_no_change(direction):
    """calculateScaleUpLimitWithScalingRules: `selectPolicy: Disabled` returns the current count."""
    assert direction(7, rules(pods(3), select=SelectPolicy.DISABLED), (), (), NOW) == 7


def test_disabled_holds_either_way_within_the_bounds():
    """convertDesiredReplicasWithBehaviorRate: a limit at the current count lets nothing through."""
    off = rules(pods(3), select=SelectPolicy.DISABLED)
    assert limit_rate(7, 9, (1, 20), (off, off), ((), ()), NOW) == Limited(7, "ScaleUpLimit")
    assert limit_rate(7, 2, (1, 20), (off, off), ((), ()), NOW) == Limited(7, "ScaleDownLimit")


@pytest.mark.parametrize(
    ("current", "value", "limit"), [(1, 10, 2), (3, 50, 5), (10, 10, 11), (10, 11, 12), (0, 100, 0)]
)
def test_percent_rounds_up_on_the_way_up(current, value, limit):
    """calculateScaleUpLimitWithScalingRules: `math.Ceil(float64(periodStartReplicas) * (1 + value/100))`."""
    assert limit == scale_up_limit(current, rules(percent(value)), (), (), NOW)


@pytest.mark.parametrize(
    ("current", "value", "limit"), [(1, 10, 0), (3, 50, 1), (10, 25, 7), (10, 100, 0), (10, 150, -5)]
)
def test_percent_truncates_on_the_way_down(current, value, limit):
    """calculateScaleDownLimitWithBehaviors: `int32(float64(periodStartReplicas) * (1 - value/100))`, toward zero."""
    assert limit == scale_down_limit(current, rules(percent(value)), (), (), NOW)


def test_each_policy_looks_back_its_own_period():
    """Two policies of different periods: the event counts for the longer one only."""
    both = rules(pods(2, 30.0), pods(5, 120.0))
    ups = (ScaleEvent(NOW - 60, 4),)
    assert scale_up_limit(8, both, ups, (), NOW) == 10  # max(8 + 2, 8 - 4 + 5)
    assert scale_up_limit(8, rules(pods(2, 30.0), pods(5, 120.0), select=SelectPolicy.MIN), ups, (), NOW) == 9


def test_both_directions_are_netted():
    """The period's start is the count without what was added and with what was removed since."""
    ups, downs = (ScaleEvent(NOW - 10, 6),), (ScaleEvent(NOW - 10, 2),)
    assert scale_up_limit(10, rules(pods(4)), ups, downs, NOW) == 10  # 10 - 6 + 2 + 4
    assert scale_down_limit(10, rules(pods(4)), ups, downs, NOW) == 2  # 10 - 6 + 2 - 4


def test_a_limit_on_the_far_side_is_no_change():
    """convertDesiredReplicasWithBehaviorRate: a limit below the current count never lowers on the way up."""
    ups = (ScaleEvent(NOW - 10, 9),)
    assert limit_rate(10, 15, (1, 20), (rules(pods(4)), DEFAULT_DOWN), (ups, ()), NOW) == Limited(10, "ScaleUpLimit")
    downs = (ScaleEvent(NOW - 10, 9),)
    assert limit_rate(10, 5, (1, 20), (DEFAULT_UP, rules(pods(4))), ((), downs), NOW) == Limited(10, "ScaleDownLimit")


def test_a_bound_that_equals_the_limit_is_the_reason():
    """TooManyReplicas and TooFewReplicas also where the bound equals the rate limit."""
    assert limit_rate(4, 20, (1, 8), (rules(pods(4)), DEFAULT_DOWN), ((), ()), NOW) == Limited(8, "TooManyReplicas")
    assert limit_rate(8, 1, (4, 9), (DEFAULT_UP, rules(pods(4))), ((), ()), NOW) == Limited(4, "TooFewReplicas")


def test_counts_saturate():
    """Replica counts saturate at an int32."""
    assert scale_up_limit(REPLICAS_LIMIT, rules(percent(100)), (), (), NOW) == REPLICAS_LIMIT


histories = st.lists(
    st.builds(Recommendation, st.floats(0, 900).map(lambda age: NOW - age), st.integers(0, 50)), max_size=12
).map(tuple)


@given(st.integers(0, 50), st.integers(0, 50), st.tuples(st.floats(0, 600), st.floats(0, 600)), histories)
def test_stabilizing_never_overshoots(current, desired, windows, history):
    """The result lies between the present count and some count that was wanted."""
    stable, after = stabilize(current, desired, windows, history, NOW)
    wanted = [desired, *(entry.replicas for entry in history)]
    assert min(current, *wanted) <= stable <= max(current, *wanted)
    if stable > current:
        assert stable <= desired
    if stable < current:
        assert stable >= desired
    assert Recommendation(NOW, desired) in after
    assert len(after) <= len(history) + 1
