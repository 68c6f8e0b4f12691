from __future__ import annotations

import json

import pytest

from autoscaler.engine.decision import Reason
from autoscaler.engine.state import State, state_from_json, state_to_json
from autoscaler.errors import UsageError
from autoscaler.peers.base import PeerDecider
from autoscaler.peers.fixed import Fixed
from autoscaler.peers.hpa import Hpa
from autoscaler.peers.registry import KINDS, READY_MADE, parameters_of, peer
from tests.peers.builders import NOW, Target, observation

LOADS = (0.0, 3.0, 40.0, 400.0, 400.0, 7.0, 0.0, 0.0, 90.0, 0.0)


def signals_at(load: float, count: int) -> dict:
    """Return all signals that any ready-made peer asks for."""
    each = load / max(count, 1)
    return {
        "pendingRequests": load,
        "queueDepth": max(load - 10.0 * count, 0.0),
        "gatewayRequests": 0.0 if count else load,
        "completedRequests": 100.0,
        "gpuUtilization": min(each * 5.0, 100.0),
        "kvCacheUtilization": min(each * 3.0, 100.0),
        "timeToFirstToken:0.99": 0.1 + each / 10.0,
        "requestRate": load / 4.0,
    }


@pytest.mark.parametrize("name", READY_MADE)
class TestEvery:
    """What holds for every ready-made peer."""

    def test_it_stays_within_its_bounds(self, name):
        """Whatever the load, the count is within the scene's bounds."""
        target = Target(peer(name, READY_MADE[name], 1, 8).decider.parameters, 2, every_seconds=15.0)
        for load in LOADS * 4:
            decision = target.tick(signals_at(load, target.spec))
            assert 1 <= decision.replicas <= 8
            assert decision.trail

    def test_it_is_a_function(self, name):
        """The same observations and states give the same decisions, also through JSON."""
        parameters = READY_MADE[name].within(0, 8)
        first, second = Target(parameters, 2, every_seconds=15.0), Target(parameters, 2, every_seconds=15.0)
        for load in LOADS * 3:
            decision = first.tick(signals_at(load, first.spec))
            assert second.tick(signals_at(load, second.spec)) == decision
            second.state = state_from_json(json.loads(json.dumps(state_to_json(second.state))))
            assert second.state == first.state

    def test_its_state_stays_small(self, name):
        """A thousand ticks do not make the state grow beyond its windows."""
        target = Target(READY_MADE[name].within(0, 8), 2, every_seconds=15.0)
        for tick in range(1000):
            target.tick(signals_at(LOADS[tick % len(LOADS)], target.spec))
        assert len(json.dumps(state_to_json(target.state))) < 4000

    def test_it_scales_up_under_load_and_down_after_it(self, name):
        """Each of them moves in both directions."""
        target = Target(READY_MADE[name].within(1, 8), 2, every_seconds=15.0)
        high = target.run(1800.0, lambda count: signals_at(400.0, count))
        low = target.run(3600.0, lambda count: signals_at(0.5, count))
        assert high[-1] > 2
        assert low[-1] < high[-1]

    def test_it_says_whom_it_follows(self, name):
        """The upstream version is named."""
        assert len(peer(name, READY_MADE[name], 1, 8).follows) > 10

    def test_called_too_soon_it_holds(self, name):
        """Half an interval later nothing is decided, and nothing is remembered."""
        parameters = READY_MADE[name].within(1, 8)
        decider, seen = PeerDecider(parameters), observation(2, signals_at(40.0, 2))
        _, state = decider.decide(seen, State(), NOW)
        early, after = decider.decide(
            observation(2, signals_at(4000.0, 2)), state, NOW + parameters.interval_seconds / 2
        )
        assert (early.replicas, early.reason, after) == (2, Reason.NO_OPINION, state)


def test_every_kind_has_a_ready_made_peer_but_the_fixed_fleet():
    """A fixed fleet has no usual size."""
    assert {type(parameters) for parameters in READY_MADE.values()} | {Fixed} == set(KINDS.values())


def test_both_bounds_may_be_the_same():
    """A fleet of exactly three."""
    assert Target(Hpa(min_replicas=3, max_replicas=3), 5).tick({"pendingRequests": 0.0}).replicas == 3


def test_bounds_of_its_own_are_kept():
    """A manifest's own minReplicas wins over the scene's, its maxReplicas is taken from there."""
    assert (Hpa(min_replicas=3).within(1, 8).min_replicas, Hpa(min_replicas=3).within(1, 8).max_replicas) == (3, 8)


def test_bounds_that_contradict_each_other_are_refused():
    """A manifest that wants at least five in a scene of at most three."""
    with pytest.raises(UsageError, match=r"mine within \[1, 3\]: .*at most maxReplicas"):
        peer("mine", Hpa(min_replicas=5), 1, 3)


def test_a_fixed_fleet_is_fixed():
    """Whatever the load."""
    target = Target(Fixed(replicas=4), 1)
    assert target.run(60.0, lambda _: {}) == [4, 4, 4, 4]


@pytest.mark.parametrize(
    ("kind", "fields", "words"),
    [
        ("kubernetes", {}, "must be one of hpa, keda"),
        ("rayServe", {"targetOngoingRequests": "2"}, "targetOngoingRequests"),
        ("rayServe", {"target": 2.0}, "target"),
        ("fixed", {}, "replicas"),
        ("hpa", {"minReplicas": 5, "maxReplicas": 3}, "at most maxReplicas"),
        ("queueSteps", {"belowPerReplica": 30.0}, "at most abovePerReplica"),
    ],
)
def test_wrong_parameters_are_refused_with_their_place(kind, fields, words):
    """The message names the source, the field and what is allowed."""
    with pytest.raises(UsageError, match=words) as caught:
        parameters_of(kind, fields, "grid.yaml")
    assert str(caught.value).startswith("grid.yaml: ")


def test_parameters_come_from_plain_values():
    """camelCase, as in documents."""
    assert parameters_of("rayServe", {"targetOngoingRequests": 3.0}, "x").interval_seconds == 2.0
    assert parameters_of("fixed", {"replicas": 3}, "x") == Fixed(replicas=3)
