"""The loop: what a decider sees, and what becomes of its decisions."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from autoscaler.documents.engine_spec import compile_spec
from autoscaler.documents.load import validate
from autoscaler.documents.parse import Origin, Raw
from autoscaler.engine.engine import Engine
from autoscaler.engine.observation import Quality, SignalRequest
from autoscaler.engine.spec import Startup
from autoscaler.peers.base import PeerDecider
from autoscaler.peers.fixed import Fixed
from autoscaler.peers.hpa import Hpa
from autoscaler.simulator.fleet import SimulatedFleet
from autoscaler.simulator.model import replica_model
from autoscaler.simulator.replay import EPOCH_SECONDS, Contestant, Course, Failure, replay

PENDING = SignalRequest("pendingRequests")
POLICY = {
    "apiVersion": "autoscaler.inference.dev/v1alpha1",
    "kind": "ScalingPolicy",
    "metadata": {"name": "test"},
    "spec": {
        "rules": [
            {"type": "pendingRequests", "targetPerReplica": 8},
            {"type": "latency", "signal": "timeToFirstToken", "quantile": 0.99, "objectiveSeconds": 2},
        ],
        "scaleToZero": {"idleAfterSeconds": 600},
    },
}


class Scripted:
    """Wants what the script says at each tick, and keeps what it saw."""

    def __init__(self, wanted):
        self.wanted = iter(wanted)
        self.seen = []

    def decide(self, observation, state, now):
        self.seen.append((now, observation))
        return PeerDecider(Fixed(replicas=next(self.wanted, observation.spec_replicas))).decide(observation, state, now)


def _fleet(initial, startup_seconds=40.0, every=0.5, until=200.0):
    startups = itertools.chain([0.0] * initial, itertools.repeat(startup_seconds))
    fleet = SimulatedFleet(replica_model("h100-llama-3.1-8b"), startups)
    arrivals = np.arange(1.0, until, every)
    fleet.add_requests(arrivals, np.full(len(arrivals), 500), np.full(len(arrivals), 100))
    return fleet


def _play(decider, course, fleet=None, requests=(PENDING,), spec=None):
    fleet = fleet or _fleet(course.initial_replicas)
    story = replay(fleet, Contestant("test", decider, requests, spec), course, timer=itertools.count().__next__)
    return fleet, story


def test_ticks_come_every_interval_and_see_the_scrape_before():
    """The decider is asked every 15 s up to the horizon, and its signals are 7.5 s old."""
    decider = Scripted([])
    _play(decider, Course(100.0, 1, 40.0))
    assert [EPOCH_SECONDS + 15.0 * tick for tick in range(1, 7)] == [now for now, _ in decider.seen]
    assert {7.5} == {now - observation.signals[PENDING.key].taken_at for now, observation in decider.seen}


def test_a_contestant_may_have_a_pace_and_samples_of_its_own():
    """Asked every 2 s with samples every 2 s, it decides at 2, 4, ... and each sample is a second old."""
    decider = Scripted([])
    quick = Contestant("quick", decider, (PENDING,), None, 2.0, 2.0)
    story = replay(_fleet(1), quick, Course(100.0, 1, 40.0), timer=lambda: 0.0)
    assert [EPOCH_SECONDS + 2.0 * tick for tick in range(1, 51)] == [now for now, _ in decider.seen]
    assert {1.0} == {now - observation.signals[PENDING.key].taken_at for now, observation in decider.seen}
    assert [tick.at for tick in story.ticks] == [2.0 * tick for tick in range(1, 51)]


def test_a_quicker_pace_alone_sees_the_courses_samples():
    """A contestant with a pace, but without samples of its own, sees the age of the course's scrapes rise and fall."""
    decider = Scripted([])
    replay(_fleet(1), Contestant("quick", decider, (PENDING,), None, 5.0), Course(60.0, 1, 40.0), timer=lambda: 0.0)
    ages = [now - observation.signals[PENDING.key].taken_at for now, observation in decider.seen[1:7]]
    assert ages == [2.5, 7.5, 12.5, 2.5, 7.5, 12.5]


def test_a_pace_that_is_the_courses_changes_nothing():
    """Said by the contestant or by the course, the same pace gives the same story and requests, bit for bit."""
    stories, results = [], []
    for pace in ((None, None), (15.0, None), (15.0, 15.0)):
        fleet = _fleet(1, every=0.02)
        busy = Contestant("test", PeerDecider(Hpa(max_replicas=5)), (PENDING,), None, *pace)
        stories.append(replay(fleet, busy, Course(200.0, 1, 40.0), timer=lambda: 0.0))
        results.append(fleet.results())
    assert stories[0] == stories[1] == stories[2]
    assert stories[0].scale_ups > 0
    for other in results[1:]:
        for field, column in zip(results[0]._fields, results[0], strict=True):
            np.testing.assert_array_equal(column, getattr(other, field), err_msg=field)


def test_a_decision_becomes_replicas_that_the_decider_sees():
    """A step up is seen at the next tick as a pending pod, and after the cold start as a ready one."""
    decider = Scripted([2])
    _play(decider, Course(90.0, 1, 40.0))
    new = [[pod for pod in observation.replicas if pod.name == "fleet-1"] for _, observation in decider.seen]
    assert [pods[0].phase if pods else pods for pods in new] == [
        [],
        "Pending",
        "Pending",
        "Running",
        "Running",
        "Running",
    ]
    assert [pods[0].ready_changed_at for pods in new[3:]] == [EPOCH_SECONDS + 55.0] * 3
    assert [observation.spec_replicas for _, observation in decider.seen] == [1, 2, 2, 2, 2, 2]


def test_the_replicas_of_the_beginning_started_as_slowly_as_any():
    """A decider that learns start-up times must not learn zero from the replicas that were there first."""
    decider = Scripted([])
    _play(decider, Course(15.0, 2, 40.0))
    assert [replica.created_at for replica in decider.seen[0][1].replicas] == [EPOCH_SECONDS - 40.0] * 2


def test_replicas_beyond_the_gpus_stay_unschedulable():
    """With GPUs for three replicas, two more wait as unschedulable pods, keep their age, and are not billed."""
    decider = Scripted([5])
    fleet, story = _play(decider, Course(60.0, 1, 10.0, replicas_quota=3))
    stuck = [
        [replica.created_at for replica in observation.replicas if replica.reason == "Unschedulable"]
        for _, observation in decider.seen
    ]
    assert [[], *[[EPOCH_SECONDS + 15.0] * 2] * 3] == stuck
    assert len(fleet.lifetimes()) == 3
    assert [tick.unschedulable for tick in story.ticks] == [2, 2, 2, 2]


def test_changes_are_counted():
    """Each change of the count is one step up or down, whatever its height; holding is none."""
    _, story = _play(Scripted([2, 2, 5, 1, 0, 0]), Course(120.0, 1, 40.0))
    assert (story.scale_ups, story.scale_downs) == (2, 2)
    assert [tick.wanted for tick in story.ticks] == [2, 2, 5, 1, 0, 0, 0, 0]


def test_decide_time_is_the_deciders_alone():
    """The time in the decider is what the timer gives around each call: with a counter, one per tick."""
    _, story = _play(Scripted([]), Course(60.0, 1, 40.0))
    assert story.decide_seconds == 4


@pytest.mark.parametrize(("interval", "scrape"), [(15.0, 15.0), (10.0, 15.0), (30.0, 7.0)])
def test_results_do_not_depend_on_how_often_it_is_looked_at(interval, scrape):
    """A fixed fleet serves every request at the same moments whatever the ticks and scrapes are."""
    expected, _ = _play(PeerDecider(Fixed(replicas=2)), Course(200.0, 2, 40.0))
    course = Course(200.0, 2, 40.0, interval_seconds=interval)
    course = Course(200.0, 2, 40.0, interval, type(course.scraping)(scrape, 1.0))
    found, _ = _play(PeerDecider(Fixed(replicas=2)), course)
    for one, other in zip(expected.results(), found.results(), strict=True):
        np.testing.assert_array_equal(one, other)


def _engine(min_replicas, course):
    spec = compile_spec(
        validate(Raw(POLICY, Origin("test"))).spec,
        min_replicas=min_replicas,
        max_replicas=10,
        startup=Startup(expected_seconds=course.startup_seconds),
    )
    requests = [request for rule in spec.rules for request in rule.needs]
    requests += [PENDING, SignalRequest("completedRequests"), SignalRequest("gatewayRequests")]
    return Engine(spec), tuple(dict.fromkeys(requests)), spec


def test_the_native_engine_grows_with_load():
    """Under a load of many times one replica's target, the engine adds replicas and every request is served."""
    course = Course(1000.0, 1, 40.0)
    decider, requests, spec = _engine(1, course)
    fleet, story = _play(decider, course, _fleet(1, every=0.02, until=400.0), requests, spec)
    assert max(tick.ready for tick in story.ticks) > 2
    assert (fleet.results().outcome == 1).all()


def test_the_native_engine_sleeps_and_wakes():
    """After the idle window the last replica goes; a request at the gateway brings one back, and is served."""
    course = Course(3600.0, 1, 40.0)
    decider, requests, spec = _engine(0, course)
    fleet = _fleet(1, until=60.0)
    fleet.add_requests([3000.0], [500], [100])
    fleet, story = _play(decider, course, fleet, requests, spec)
    asleep = [tick.at for tick in story.ticks if tick.wanted == 0]
    assert 60 + 600 <= asleep[0] <= 60 + 600 + 60
    assert fleet.results().outcome[-1:].tolist() == [1]
    assert 40 < fleet.results().first_token[-1] - 3000 < 90


def test_the_same_replay_twice_is_the_same():
    """Same fleet, same policy: same ticks and same results, bit for bit."""
    course = Course(600.0, 1, 40.0)
    runs = []
    for _ in range(2):
        decider, requests, spec = _engine(1, course)
        runs.append(_play(decider, course, _fleet(1, every=0.05), requests, spec))
    assert runs[0][1] == runs[1][1]
    assert runs[0][0].results().finish.tobytes() == runs[1][0].results().finish.tobytes()


def test_no_signal_is_ever_made_up():
    """In every observation of a run with scale changes, a signal has a number exactly if its quality says so."""
    decider = Scripted([3, 3, 0, 0, 2, 2, 1])
    requests = tuple(
        map(SignalRequest, ("queueDepth", "pendingRequests", "completedRequests", "gpuUtilization", "requestRate"))
    )
    _play(decider, Course(300.0, 1, 20.0), requests=(*requests, SignalRequest("endToEnd", 0.99)))
    for _, observation in decider.seen:
        for signal in observation.signals.values():
            known = signal.quality in (Quality.OK, Quality.PARTIAL)
            assert known == (signal.value is not None and math.isfinite(signal.value))


def test_the_deployment_replaces_what_dies():
    """Two of three replicas die between two ticks: at once two more start, with a cold start of their own."""
    course = Course(120.0, 3, 40.0, failures=(Failure(20.0, 2),))
    fleet, story = _play(PeerDecider(Fixed(replicas=3)), course)
    assert [(tick.ready, tick.starting) for tick in story.ticks] == [(3, 0), (1, 2), (1, 2)] + [(3, 0)] * 5
    assert [life.created_at for life in fleet.lifetimes()] == [0.0, 0.0, 0.0, 20.0, 20.0]
    assert (story.scale_ups, story.scale_downs) == (0, 0)


def test_lost_gpus_come_back():
    """While a dead node's GPUs are missing from the quota, its replica's successor is unschedulable."""
    course = Course(120.0, 3, 40.0, replicas_quota=3, failures=(Failure(20.0, 1, 30.0),))
    _, story = _play(PeerDecider(Fixed(replicas=3)), course)
    assert [tick.unschedulable for tick in story.ticks] == [0, 1, 1, 0, 0, 0, 0, 0]
    assert [tick.starting for tick in story.ticks] == [0, 0, 0, 1, 1, 1, 0, 0]
