"""Who can be named: policies, peers, and other autoscalers' own manifests."""

from __future__ import annotations

import itertools
import pickle

import pytest

from autoscaler.engine.observation import LATENCY_SIGNALS, SignalRequest
from autoscaler.errors import DocumentError, UsageError
from autoscaler.experiments.contestants import contestants
from autoscaler.experiments.peer_contestants import contestant
from autoscaler.peers.base import PeerDecider
from autoscaler.peers.fixed import Fixed
from autoscaler.peers.hpa import Hpa
from autoscaler.peers.keda import Keda
from autoscaler.peers.knative import Knative
from autoscaler.peers.registry import READY_MADE
from autoscaler.simulator.replay import Contestant, replay
from autoscaler.simulator.signals import SHOWN
from tests.documents.manifests.texts import HPA, SCALED_OBJECT, cron, external, hpa, pods, prometheus, scaled_object
from tests.documents.texts import PEER, POLICY


def formula(text: str, beside: str = ", name: q") -> str:
    """A ScaledObject with a formula over one trigger."""
    modifiers = f'minReplicaCount: 1\nadvanced: {{scalingModifiers: {{formula: "{text}", target: "3"}}}}'
    return scaled_object(prometheus("sum(vllm:num_requests_waiting)", beside=beside), spec=modifiers)


CPU = "{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}"


@pytest.fixture
def only(make, tmp_path):
    """Return a function from a file's text to the parameters of its only contestant."""

    def only(text, tell=lambda _: None):
        (tmp_path / "theirs.yaml").write_text(text)
        (found,) = contestants(str(tmp_path / "theirs.yaml"), make(), tell=tell)
        return found

    return only


@pytest.mark.parametrize("name", READY_MADE)
def test_every_peer_runs_by_its_name(make, name):
    """The library's peers play a scene under their names, within its bounds, and travel between processes."""
    scene = make()
    (found,) = contestants(name, scene)
    assert found.name == name
    parameters = pickle.loads(pickle.dumps(found)).decider.parameters
    assert (parameters.min_replicas, parameters.max_replicas) == (scene.min_replicas, scene.max_replicas)
    story = replay(scene.fleet(None), found, scene.course, timer=lambda: 0.0)
    assert len(story.ticks) > 10


PACES = {"knative": (2.0, 2.0), "ray-serve": (2.0, 2.0), "aibrix-apa": (10.0, 10.0)}


@pytest.mark.parametrize("name", READY_MADE)
def test_a_peer_keeps_upstreams_pace(make, name):
    """Knative, Ray Serve and AIBrix look and sample in their own rhythm; the others decide as often as the scene."""
    (found,) = contestants(name, make())
    assert (found.interval_seconds, found.samples_every_seconds) == PACES.get(name, (None, None))


def test_knative_decides_between_the_scenes_ticks(make):
    """What Knative decides is put into effect every 2 s, not at the scene's ticks of 15 s."""
    scene = make()
    found = contestant("knative", Knative(target=1.0), scene)
    story = replay(scene.fleet(None), found, scene.course, timer=lambda: 0.0)
    changes = [after.at for before, after in itertools.pairwise(story.ticks) if after.wanted != before.wanted]
    assert {tick.at % 15 for tick in story.ticks} == {float(rest) for rest in range(15)}
    assert any(at % 15 for at in changes)


def test_an_hpa_manifest_runs_as_the_hpa_it_is(only):
    """Bounds, metric, target and behavior are the manifest's."""
    found = only(HPA)
    parameters = found.decider.parameters
    assert isinstance(parameters, Hpa)
    assert (found.name, parameters.min_replicas, parameters.max_replicas) == ("hpa/llama-8b", 2, 9)
    (metric,) = parameters.metrics
    assert (metric.type, metric.signals, metric.average_value) == ("Pods", ("queueDepth",), 10.0)
    up, down = parameters.behavior
    assert (up.stabilization_window_seconds, down.stabilization_window_seconds) == (0.0, 120.0)
    assert [request.key for request in found.requests] == ["queueDepth"]


def test_a_scaled_object_runs_as_the_keda_it_is(only):
    """Intervals, thresholds, activation, fallback and null values are the manifest's, in the signal's unit."""
    found = only(
        scaled_object(
            prometheus("sum(vllm:num_requests_running)", "7", ", activationThreshold: 2, ignoreNullValues: 'false'"),
            prometheus("max(vllm:kv_cache_usage_perc)", "0.8", beside=", metricType: Value"),
            spec="pollingInterval: 20\ncooldownPeriod: 600\ninitialCooldownPeriod: 9\nmaxReplicaCount: 4\n"
            "fallback: {failureThreshold: 3, replicas: 6}\n"
            "advanced: {horizontalPodAutoscalerConfig: {behavior: {scaleUp: {stabilizationWindowSeconds: 30}}}}",
        )
    )
    parameters = found.decider.parameters
    assert isinstance(parameters, Keda)
    assert (found.name, parameters.min_replicas, parameters.max_replicas) == ("keda/llama-8b", 0, 4)
    running, cache = parameters.triggers
    assert (running.signals, running.threshold, running.activation_threshold) == (("runningRequests",), 7.0, 2.0)
    assert not running.ignore_null_values
    assert (cache.signals, cache.threshold, cache.metric_type) == (("kvCacheUtilization",), pytest.approx(80), "Value")
    assert (parameters.polling_interval_seconds, parameters.cooldown_seconds) == (20.0, 600.0)
    assert (parameters.initial_cooldown_seconds, parameters.fallback.replicas) == (9.0, 6)
    assert parameters.behavior[0].stabilization_window_seconds == 30.0


@pytest.mark.parametrize("text", [HPA, SCALED_OBJECT.replace("waiting", "running")])
def test_a_manifest_scales_the_fleet(make, only, text):
    """It sees the signals that its metric means, and moves the count."""
    scene = make(traffic={"generator": {"requestsPerSecond": 120, "durationSeconds": 300}})
    found = only(text)
    story = replay(scene.fleet(None), found, scene.course, timer=lambda: 0.0)
    assert max(tick.wanted for tick in story.ticks) > 2


def test_what_is_not_as_in_a_cluster_is_told(only):
    """The fullest KV cache for the mean, and documents that are no autoscaler's."""
    lines = []
    only(hpa(pods("vllm:kv_cache_usage_perc", "500m")) + "---\n{kind: Service, metadata: {name: web}}\n", lines.append)
    assert ["Service web" in lines[0], "fullest replica's KV cache" in lines[1]] == [True, True]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (hpa(CPU), ["spec.metrics[0]", "no cpu"]),
        (hpa(external("my_queue")), ["theirs.yaml:10", "spec.metrics[0]", "my_queue", "no such series; it knows"]),
        (hpa(pods("queue"), CPU), ["spec.metrics[0]", "spec.metrics[1]"]),
        (scaled_object(prometheus("sum(my_queue)")), ["spec.triggers[0]", "sum(my_queue)", "no such series"]),
        (scaled_object(prometheus("avg(tgi_queue_size)")), ["shows queueDepth, but not its mean over the replicas"]),
        (scaled_object("{type: kafka, metadata: {topic: t}}"), ["no trigger of type kafka, only prometheus and cron"]),
        (scaled_object(cron("@daily", "0 9 * * *", 2)), ["spec.triggers[0]", "needs five fields"]),
        (scaled_object(cron("0 8 * * *", "0 9 * * *", 2, "Mars/Base")), ["must be the name of a time zone"]),
        (
            formula("count([q], {# > 1})"),
            ["spec.advanced.scalingModifiers.formula", "is none of the expr language that is read here"],
        ),
        (formula("q + other"), ["formula: other must be one of the triggers q"]),
        (formula("q", beside=""), ["with a formula every trigger but cpu and memory needs a name of its own"]),
        (
            scaled_object(prometheus("tgi_queue_size"), spec="advanced: {scalingModifiers: {formula: a}}"),
            ["spec.advanced.scalingModifiers.target", "is required"],
        ),
        ("kind: Service", ["apiVersion"]),
        (PEER.replace("threshold: 5", "threshold: no"), ["spec.parameters.triggers[0].threshold"]),
    ],
)
def test_what_the_simulator_cannot_show_is_an_error_with_its_name(only, text, words):
    """A peer that reads nothing would hold and look cheap: the place and the query are named instead."""
    with pytest.raises(DocumentError) as refused:
        only(text)
    for word in words:
        assert word in str(refused.value)


def test_every_signal_that_is_said_to_be_shown_is(make):
    """A decider that asks for all of them sees none that the simulated backend has not."""
    seen = {}

    class Looker:
        def decide(self, observation, state, now):
            seen.update(observation.signals)
            return PeerDecider(Fixed(replicas=2)).decide(observation, state, now)

    requests = tuple(SignalRequest(name, 0.9 if name in LATENCY_SIGNALS else None) for name in SHOWN)
    scene = make()
    replay(scene.fleet(None), Contestant("looker", Looker(), requests), scene.course, timer=lambda: 0.0)
    assert {key.partition(":")[0] for key in seen} == SHOWN
    assert [signal for signal in seen.values() if "has no such" in signal.detail] == []


def test_a_policy_that_needs_more_is_told(only):
    """A converted query is nothing that a simulated fleet has: that is said, for its rule only holds."""
    lines = []
    rule = "{type: targetTracking, signal: q, form: Value, target: 1}"
    only(POLICY.replace("  scaleToZero: {idleAfterSeconds: 900}\n", f"    - {rule}\n"), lines.append)
    assert lines == ["chat: the simulator shows no signal q: the rules that need it hold the count"]


def test_a_file_may_hold_policies_and_peers(make, tmp_path):
    """Documents of ours of either kind are contestants; a file without any says what it must hold."""
    path = tmp_path / "both.yaml"
    path.write_text(POLICY.replace("  scaleToZero: {idleAfterSeconds: 900}\n", "") + "---\n" + PEER)
    assert [found.name for found in contestants(str(path), make())] == ["chat", "theirs"]
    path.write_text((tmp_path / "both.yaml").read_text()[:0] + "{}")
    with pytest.raises(DocumentError):
        contestants(str(path), make())
    with pytest.raises(UsageError, match="did you mean knative"):
        contestants("knativ", make())


def test_a_peer_that_cannot_live_within_the_scene_says_so(make, tmp_path):
    """A minimum of its own above the scene's maximum is told with both."""
    path = tmp_path / "theirs.yaml"
    path.write_text(PEER.replace("    cooldownSeconds: 300\n", "    minReplicas: 999\n    maxReplicas: 999\n"))
    assert contestants(str(path), make())[0].decider.parameters.min_replicas == 999
    path.write_text(PEER.replace("    cooldownSeconds: 300\n", "    minReplicas: 90\n"))
    with pytest.raises(UsageError, match=r"theirs within .*minReplicas 90"):
        contestants(str(path), make())


def test_a_scaled_object_with_clock_and_formula_runs_as_it_is(only, make):
    """The window opens by the simulation's clock, and the formula sees what the query would answer."""
    lines = []
    keda = only(scaled_object(cron("0 8 * * *", "0 9 * * *", 2)), lines.append).decider.parameters
    (trigger,) = keda.triggers
    assert (trigger.type, trigger.cron.desired_replicas, trigger.cron.timezone) == ("cron", 2, "Europe/Berlin")
    assert "midnight UTC of a Wednesday" in lines[0]
    found = only(formula("q > 2 ? 2 * q : 0"))
    modifiers = found.decider.parameters.modifiers
    assert (modifiers.target, modifiers.metric_type, modifiers.activation_target) == (3.0, "AverageValue", 0.0)
    scene = make()
    assert replay(scene.fleet(None), found, scene.course, timer=lambda: 0.0).ticks
