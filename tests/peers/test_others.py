from __future__ import annotations

import pytest

from autoscaler.engine.decision import Reason
from autoscaler.engine.observation import Quality
from autoscaler.peers.aibrix import Aibrix
from autoscaler.peers.hand_written import LatencyDoubling, QueueSteps
from autoscaler.peers.huggingface import HuggingFace
from autoscaler.peers.ray_serve import RayServe
from tests.peers.builders import Target, replicas, signal


def flight(total: float, completed: float = 100.0):
    """Return the signals of so many requests in flight."""
    return lambda count: {
        "pendingRequests": total if count else Quality.NO_PODS,
        "gatewayRequests": 0.0 if count else total,
        "completedRequests": completed,
    }


BUSY = {**flight(9.0)(1), "gpuUtilization": 95.0}
CALM = {**flight(1.0)(1), "gpuUtilization": 10.0}


class TestRayServe:
    """Delays, factors and zero around the queue-length policy."""

    def test_up_after_thirty_seconds_down_after_six_hundred(self):
        """Both count from when it was wanted first, and both go the whole way."""
        target = Target(RayServe(max_replicas=50), 2)
        up = target.run(40.0, flight(20.0))
        assert up.index(10) * 2 == 30
        down = target.run(700.0, flight(4.0))
        assert 600 <= down.index(2) * 2 <= 660

    def test_starting_replicas_do_not_trigger_again(self):
        """The delay compares with the target, which includes what is starting."""
        target = Target(RayServe(max_replicas=50), 10)
        pods = replicas(2, starting=8)
        seen = flight(20.0)(2)
        counts = [target.tick(seen, pods=pods).replicas for _ in range(100)]
        assert set(counts) == {10}

    def test_it_reaches_zero_from_one_only(self):
        """Two to one, and after the delay to zero one to zero."""
        target = Target(
            RayServe(min_replicas=0, downscale_delay_seconds=60.0, downscale_to_zero_delay_seconds=120.0), 2
        )
        counts = target.run(400.0, flight(0.0))
        assert sorted(set(counts), reverse=True) == [2, 1, 0]
        assert (counts.index(0) - counts.index(1)) * 2 == pytest.approx(120, abs=2)

    def test_at_zero_a_request_wakes_it_without_delay(self):
        """The cold start's own path."""
        assert Target(RayServe(min_replicas=0), 0).tick(flight(1.0)(0)).replicas == 1

    def test_requests_are_averaged_over_the_look_back(self):
        """A burst of one sample in fifteen does not reach the target."""
        target = Target(RayServe(max_replicas=50, upscale_delay_seconds=0.0, downscale_delay_seconds=0.0), 2)
        target.run(30.0, flight(4.0))
        assert target.tick(flight(19.0)(2)).replicas == 3

    def test_without_data_it_holds(self):
        """Broken metrics change nothing."""
        decision = Target(RayServe(), 3).tick({"pendingRequests": Quality.ERROR})
        assert (decision.replicas, decision.reason) == (3, Reason.NO_OPINION)

    def test_gangs_come_whole(self):
        """Replicas that run together are counted by gangs."""
        target = Target(RayServe(max_replicas=50, gang_size=4, upscale_delay_seconds=0.0), 4)
        assert target.tick(flight(10.0)(4)).replicas == 8


class TestHuggingFace:
    """One replica at a time, up each minute, down each two, and a pause after a decrease."""

    def test_up_each_minute(self):
        """One more a minute while the GPU is at 80 % or more."""
        target = Target(HuggingFace(min_replicas=1, max_replicas=10), 1)
        assert target.run(240.0, lambda _: BUSY) == [2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5]

    def test_down_after_five_minutes_at_the_earliest(self):
        """Looked at each two minutes, and not again within 300 s of a decrease."""
        target = Target(HuggingFace(min_replicas=1, max_replicas=10), 4)
        counts = target.run(1200.0, lambda _: CALM)
        falls = [place * 15 for place in range(1, len(counts)) if counts[place] < counts[place - 1]]
        assert counts[0] == 3
        assert falls == [360, 720]

    def test_it_keeps_what_one_less_could_not_carry(self):
        """60 % on two is 120 % on one."""
        target = Target(HuggingFace(min_replicas=1, max_replicas=10), 2)
        assert set(target.run(900.0, lambda _: {**flight(3.0)(1), "gpuUtilization": 60.0})) == {2}

    def test_pending_requests_per_replica(self):
        """Above 1.5 in flight per replica over 20 s."""
        target = Target(HuggingFace(min_replicas=1, max_replicas=10, metric="pendingRequests"), 2)
        assert target.run(60.0, flight(3.0))[-1] == 3
        assert set(Target(target.decider.parameters, 2).run(60.0, flight(2.9))) == {2}

    def test_zero_after_fifteen_minutes_without_a_request(self):
        """From any count, and only from the last sign of traffic on."""
        target = Target(HuggingFace(max_replicas=10), 1)
        assert target.run(960.0, lambda _: {**flight(0.0)(1), "gpuUtilization": 0.0}).index(0) * 15 == 900

    def test_short_requests_between_two_looks_keep_it_awake(self):
        """The counter of completed requests shows them."""
        target = Target(HuggingFace(max_replicas=10), 1)
        for minute in range(60):
            seen = {**flight(0.0, completed=100.0 + minute)(1), "gpuUtilization": 0.0}
            assert set(target.run(60.0, lambda _, seen=seen: seen)) == {1}

    def test_a_broken_source_is_not_idleness(self):
        """Nobody knows, nobody sleeps."""
        target = Target(HuggingFace(max_replicas=10), 1)
        assert set(target.run(2000.0, lambda _: {"pendingRequests": Quality.ERROR, "gatewayRequests": 0.0})) == {1}

    def test_it_wakes_on_a_held_request_only(self):
        """At zero it sleeps on, whatever is not known."""
        target = Target(HuggingFace(max_replicas=10), 0)
        assert target.tick(flight(0.0)(0)).replicas == 0
        assert target.tick({"gatewayRequests": Quality.ERROR}).replicas == 0
        assert target.tick(flight(1.0)(0)).replicas == 1

    def test_its_minimum_is_kept(self):
        """Below it is raised at once, and zero is not for an endpoint with a minimum."""
        target = Target(HuggingFace(min_replicas=2, max_replicas=10), 1)
        assert set(target.run(2000.0, lambda _: {**flight(0.0)(1), "gpuUtilization": 0.0})) == {2}

    def test_it_asks_for_what_it_reads(self):
        """The GPU only where that is the metric."""
        asked = {kind: {r.key for r in HuggingFace(metric=kind).requests} for kind in ("gpu", "pendingRequests")}
        assert asked["gpu"] - asked["pendingRequests"] == {"gpuUtilization"}

    def test_the_idle_time_can_be_chosen(self):
        """Or zero be switched off."""
        quiet = {**flight(0.0)(1), "gpuUtilization": 0.0}
        early = Target(HuggingFace(scale_to_zero_after_seconds=60.0), 1)
        assert early.run(120.0, lambda _: quiet).index(0) * 15 == 60
        never = Target(HuggingFace(scale_to_zero_after_seconds=None), 1)
        assert set(never.run(3000.0, lambda _: quiet)) == {1}


class TestQueueSteps:
    """Above 20 per replica two more, below 5 one less."""

    @pytest.mark.parametrize(("depth", "replicas"), [(81.0, 6), (80.0, 4), (20.0, 4), (19.9, 3)])
    def test_thresholds_are_strict(self, depth, replicas):
        """On four replicas."""
        assert Target(QueueSteps(), 4).tick({"queueDepth": depth}).replicas == replicas

    def test_it_does_not_know_what_it_does_not_see(self):
        """An unknown queue changes nothing."""
        assert Target(QueueSteps(), 4).tick({"queueDepth": Quality.EMPTY}).replicas == 4

    def test_both_thresholds_may_be_the_same(self):
        """Then there is no band between them."""
        script = QueueSteps(above_per_replica=10.0, below_per_replica=10.0)
        assert [Target(script, 4).tick({"queueDepth": depth}).replicas for depth in (39.0, 40.0, 41.0)] == [3, 4, 6]

    def test_the_bounds_give_their_reason(self):
        """Which of them bound it."""
        high = Target(QueueSteps(max_replicas=5), 4).tick({"queueDepth": 900.0})
        low = Target(QueueSteps(), 1).tick({"queueDepth": 0.0})
        assert [(d.replicas, d.reason) for d in (high, low)] == [(5, Reason.MAX_REPLICAS), (1, Reason.MIN_REPLICAS)]

    def test_a_cooldown_pauses_it(self):
        """One change a minute."""
        target = Target(QueueSteps(cooldown_seconds=60.0, max_replicas=20), 1)
        assert target.run(90.0, lambda _: {"queueDepth": 900.0}) == [3, 3, 3, 3, 5, 5]


class TestLatencyDoubling:
    """P99 above 150 % of the objective doubles, below half with idle GPUs takes one."""

    @pytest.mark.parametrize(
        ("latency", "gpu", "replicas"),
        [(3.01, 99.0, 8), (3.0, 99.0, 4), (0.99, 29.0, 3), (0.99, 30.0, 4), (1.0, 10.0, 4), (Quality.NAN, 0.0, 4)],
    )
    def test_thresholds(self, latency, gpu, replicas):
        """On four replicas, with an objective of 2 s; NaN compares with nothing."""
        seen = {"timeToFirstToken:0.99": latency, "gpuUtilization": gpu}
        assert Target(LatencyDoubling(), 4).tick(seen).replicas == replicas

    def test_an_unknown_gpu_is_not_idle(self):
        """Both must be seen for a decrease."""
        seen = {"timeToFirstToken:0.99": 0.1, "gpuUtilization": Quality.EMPTY}
        assert Target(LatencyDoubling(), 4).tick(seen).replicas == 4


class TestAibrix:
    """APA around the mean of the pods that answered."""

    def test_a_slow_start_compounds(self):
        """A pod that loads drops out of the mean and stays in the count: two, four, eight, sixteen."""
        target = Target(Aibrix(max_replicas=16, signal="pendingRequests", target_value=10.0), 2)
        pods = replicas(2, starting=2)
        seen = {"pendingRequests": signal("pendingRequests", 80.0, pods=2)}
        assert [target.tick(seen, pods=pods).replicas for _ in range(4)] == [4, 8, 16, 16]

    def test_within_the_tolerance_nothing_changes(self):
        """Ten percent either way."""
        for value, wanted in ((55.0, 4), (55.1, 5), (45.0, 4), (44.9, 4)):
            assert Target(Aibrix(), 4).tick({"kvCacheUtilization": value}).replicas == wanted

    def test_the_window_smooths(self):
        """A spike in one of eighteen samples is no reason."""
        target = Target(Aibrix(), 4)
        target.run(170.0, lambda _: {"kvCacheUtilization": 50.0})
        assert target.tick({"kvCacheUtilization": 100.0}).replicas == 4

    def test_one_step_up_is_rounded_up(self):
        """A rate of 1.5 on three is five."""
        target = Target(Aibrix(max_scale_up_rate=1.5), 3)
        assert target.tick({"kvCacheUtilization": 100.0}).replicas == 5

    def test_a_decrease_takes_the_lowest_of_its_window(self):
        """Three was recommended two minutes ago, four is now: three it is, as upstream's source reads."""
        target = Target(Aibrix(window_seconds=10.0), 6)
        assert target.tick({"kvCacheUtilization": 25.0}).replicas == 3
        target.spec = 6
        target.run(110.0, lambda _: {"kvCacheUtilization": 50.0})
        assert target.tick({"kvCacheUtilization": 33.0}).replicas == 3

    def test_without_an_answer_it_holds(self):
        """All pods failed: an error, and no change."""
        assert Target(Aibrix(), 4).tick({"kvCacheUtilization": Quality.ERROR}).reason is Reason.NO_OPINION

    def test_at_zero_with_a_minimum_above_it_is_off(self):
        """As with an HPA."""
        assert Target(Aibrix(), 0).tick({"kvCacheUtilization": 90.0}).reason is Reason.OFF


class TestAibrixKpa:
    """AIBrix's variant of Knative's strategy, as its source reads."""

    def test_the_mean_of_one_pod_is_taken_for_the_whole(self):
        """Four pods at 60 with a target of 50 are two: upstream does not multiply with the pods."""
        decision = Target(Aibrix(strategy="KPA"), 4).tick({"kvCacheUtilization": 60.0})
        assert (decision.replicas, decision.trail[0].name) == (2, "kpa")

    def test_more_than_half_is_never_taken_at_once(self):
        """Eight pods at 1 of 50: four, the rate of two."""
        assert Target(Aibrix(strategy="KPA"), 8).tick({"kvCacheUtilization": 1.0}).replicas == 4

    def test_a_panic_takes_the_larger_of_both_windows(self):
        """After 130 s at 10 a burst to 90: 60 s on, its mean is above twice the stable one and asks for two pods."""
        calm, panic = (Target(Aibrix(strategy="KPA", panic_threshold=limit), 1) for limit in (100.0, 2.0))
        for target in (calm, panic):
            target.run(120.0, lambda _: {"kvCacheUtilization": 10.0})
        seen = lambda _: {"kvCacheUtilization": 90.0}  # noqa: E731
        assert calm.run(50.0, seen)[-1] == 1
        assert panic.run(50.0, seen)[-1] == 2

    def test_without_use_it_panics_and_still_lets_go(self):
        """A stable mean of zero is a panic upstream, whose highest count is not kept."""
        decision = Target(Aibrix(strategy="KPA", min_replicas=0), 1).tick({"kvCacheUtilization": 0.0})
        assert decision.replicas == 0
        assert decision.trail[0].why.endswith("panic")
