from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from autoscaler.engine.decision import Reason
from autoscaler.engine.observation import Quality
from autoscaler.peers.keda import CronWindow, FallbackModel, Keda, Modifiers, Trigger
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


HOURS = Trigger(
    type="cron", cron=CronWindow(timezone="Europe/Berlin", start="0 8 * * 1-5", end="0 18 * * 1-5", desired_replicas=6)
)
MONDAY = datetime(2026, 1, 12, tzinfo=ZoneInfo("Europe/Berlin"))


def clock(hours: float) -> float:
    """Return a time of that Monday in Berlin, in UTC epoch seconds."""
    return (MONDAY + timedelta(hours=hours)).timestamp()


@pytest.mark.parametrize(
    ("hours", "is_open"),
    [
        (7.99, False),
        (8.0, True),
        (12.5, True),
        (17.99, True),
        (18.0, False),
        (30.0, False),
        (32.0, True),
        (128.5, False),
    ],
)
def test_a_cron_window_opens_by_the_clock_of_its_zone(hours, is_open):
    """Eight to six on workdays; 128 hours after midnight is Saturday morning."""
    assert HOURS.cron.is_open(clock(hours)) is is_open


def test_where_start_and_end_match_the_next_ones_decide():
    """Upstream reads both expressions forward: only a next start before the next end closes the window.

    So here it never closes: at 8:00 the next end is today's, and at 18:00 both are tomorrow's.
    """
    window = CronWindow(timezone="UTC", start="0 8 * * *", end="0 8,18 * * *", desired_replicas=2)
    at = datetime(2026, 1, 12, 8, tzinfo=UTC).timestamp()
    assert (window.is_open(at), window.is_open(at + 10 * 3600)) == (True, True)


def test_a_cron_trigger_wakes_and_sizes_and_lets_go():
    """Zero to one at eight, six a moment later, and zero 300 s after the window closed."""
    target = Target(keda(HOURS), 0, at=clock(8.0) - 60)
    assert target.run(240.0, lambda _: {})[-1] == 6
    target = Target(keda(HOURS), 6, at=clock(18.0) - 60)
    counts = target.run(600.0, lambda _: {})
    assert counts[:3] == [6, 6, 6]
    assert counts[-1] == 0


def test_without_its_window_a_cron_trigger_asks_for_one():
    """Upstream's default: beside it, the queue still decides."""
    target = Target(keda(HOURS, QUEUE), 1, at=clock(3.0))
    assert target.tick({"queueDepth": 0.0}).replicas == 1
    assert target.run(60.0, lambda _: {"queueDepth": 15.0})[-1] == 3


def named(name: str, signal: str, **more) -> Trigger:
    """Return a query that a formula knows by its name."""
    return Trigger(name=name, signals=(signal,), threshold=1.0, **more)


BOTH = (named("waiting", "queueDepth"), named("running", "pendingRequests"))


def test_a_formula_is_the_only_metric():
    """Ten waiting and twenty running are 40, over a target of 8 a replica: five; each alone would ask for more."""
    modifiers = Modifiers(formula="2 * waiting + max(running, 5)", target=8.0)
    target = Target(keda(*BOTH, modifiers=modifiers), 4)
    assert target.tick({"queueDepth": 10.0, "pendingRequests": 20.0}).replicas == 5


def test_a_formula_decides_what_is_active():
    """Above its own activation target, whatever the triggers say of themselves."""
    modifiers = Modifiers(formula="waiting + running", target=8.0, activation_target=10.0)
    peer = keda(*BOTH, modifiers=modifiers)
    assert Target(peer, 0).tick({"queueDepth": 4.0, "pendingRequests": 6.0}).replicas == 0
    assert Target(peer, 0).tick({"queueDepth": 4.0, "pendingRequests": 6.1}).replicas == 1


def test_a_formula_sees_the_querys_own_unit():
    """A KV cache of 80 % is 0.8 to a query of vLLM's gauge."""
    cache = Trigger(name="kv", signals=("kvCacheUtilization",), threshold=50.0, scale=100.0)
    modifiers = Modifiers(formula="kv > 0.75 ? 6 : 1", target=1.0)
    target = Target(keda(cache, modifiers=modifiers), 3)
    assert target.tick({"kvCacheUtilization": 80.0}).replicas == 6


@pytest.mark.parametrize("formula", ["waiting + running", "waiting / running"])
def test_a_formula_that_cannot_be_computed_falls_back(formula):
    """A query fails, or it divides by zero: after more failures than allowed 7 replicas stand in."""
    fallback = FallbackModel(failure_threshold=2, replicas=7)
    modifiers = Modifiers(formula=formula, target=8.0)
    target = Target(keda(*BOTH, modifiers=modifiers, fallback=fallback), 4)
    seen = {"queueDepth": 1.0, "pendingRequests": Quality.ERROR if "+" in formula else 0.0}
    assert target.run(60.0, lambda _: seen) == [4, 4, 7, 7]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: keda(named("a", "queueDepth"), modifiers=Modifiers(formula="a + b", target=1.0)), "b must be one of"),
        (lambda: keda(QUEUE, modifiers=Modifiers(formula="1", target=1.0)), "needs a name of its own"),
        (lambda: Modifiers(formula="a >", target=1.0), "ends too early"),
        (lambda: Trigger(type="cron"), "needs cron"),
        (lambda: Trigger(type="cron", cron=HOURS.cron, signals=("queueDepth",)), "has no signals"),
        (lambda: Trigger(signals=("queueDepth",)), "needs threshold"),
        (lambda: Trigger(threshold=3.0), "needs signals"),
        (lambda: CronWindow(timezone="UTC", start="0 1 * * *", end="0 1 * * *", desired_replicas=1), "must differ"),
    ],
)
def test_what_does_not_fit_together_is_refused(make, says):
    """Names that nobody has, and parts that belong to another type."""
    with pytest.raises(ValidationError, match=says):
        make()
