"""The in-memory Deployment behaves as one behind an API server does."""

from __future__ import annotations

import pytest

from autoscaler.cluster.facts import TargetRef
from autoscaler.cluster.port import EventType
from autoscaler.daemon.sandbox.deployment import SandboxDeployment, pod
from autoscaler.daemon.sandbox.numbers import FleetNumbers, HistogramNumbers, Life, ReplicaNumbers
from autoscaler.engine.fleet import startup_of
from autoscaler.errors import ConflictError, TargetMissing

REF = TargetRef("inference", "llama-8b")
EMPTY = HistogramNumbers((float("inf"),), (0,), 0.0)


def replica(life, created_at=1000.0, ready_at=1100.0):
    """Return a replica without any traffic."""
    return ReplicaNumbers("pod", life, created_at, ready_at, 0, 0, 0.0, 0.0, 0, 0, 0, EMPTY, EMPTY)


class StillPods:
    """Pods that only count what was asked of them."""

    def __init__(self, *replicas):
        self.asked = []
        self.replicas = replicas

    def numbers(self):
        return FleetNumbers(1050.0, self.replicas, 0, 0)

    def addresses(self):
        return {"pod": "127.0.0.1:8000"}

    def scale_to(self, replicas):
        self.asked.append(replicas)


@pytest.fixture
def pods():
    """One ready replica."""
    return StillPods(replica(Life.READY))


@pytest.fixture
def deployment(pods):
    """A Deployment of one."""
    return SandboxDeployment(REF, pods, 1, lambda: 1050.0)


def facts_of(deployment):
    """Return what the daemon would read."""
    return deployment.observe([REF], 1.0)[REF.key]


def test_scale_writes_the_count_and_a_new_version(deployment, pods):
    """The count reaches the pods once, and the resourceVersion is another."""
    before = facts_of(deployment)
    deployment.scale(before, 3, 1.0)
    after = facts_of(deployment)
    assert (before.spec_replicas, after.spec_replicas) == (1, 3)
    assert before.resource_version != after.resource_version
    assert pods.asked == [3]


def test_scale_with_stale_facts_is_a_conflict_and_writes_nothing(deployment, pods):
    """Somebody else's change between reading and writing wins, and the message says what it was."""
    stale = facts_of(deployment)
    deployment.edit(5)
    with pytest.raises(ConflictError, match="replicas is 5 at resourceVersion 2, not 1 at 1"):
        deployment.scale(stale, 3, 1.0)
    assert facts_of(deployment).spec_replicas == 5
    assert pods.asked == [5]


def test_a_change_there_and_back_is_a_conflict_too(deployment):
    """The count alone does not tell: the version does."""
    stale = facts_of(deployment)
    deployment.edit(2)
    deployment.edit(1)
    with pytest.raises(ConflictError):
        deployment.scale(stale, 3, 1.0)


def test_another_target_is_missing(deployment):
    """Only the sandbox's own Deployment exists; another is an answer of its own and disturbs nothing."""
    other = REF._replace(name="mistral")
    answers = deployment.observe([REF, other], 1.0)
    assert isinstance(answers[other.key], TargetMissing)
    assert answers[REF.key].addresses == {"pod": "127.0.0.1:8000"}
    with pytest.raises(TargetMissing, match="inference/mistral does not exist"):
        deployment.scale(answers[REF.key]._replace(target=other.key, ref=other), 2, 1.0)
    assert "does not exist" in deployment.post_event(other, "Scaled", "1 to 2", EventType.NORMAL, 1.0)


def test_events_are_kept_up_to_a_hundred(deployment):
    """The newest hundred Events stay, with the time they were posted."""
    for number in range(120):
        assert deployment.post_event(REF, "Scaled", str(number), EventType.NORMAL, 1.0) is None
    assert [event.message for event in deployment.events] == [str(number) for number in range(20, 120)]
    assert deployment.events[0].at == 1050.0


@pytest.mark.parametrize(
    ("now", "phase", "reason"),
    [(1000.0, "Pending", "ContainerCreating"), (1004.0, "Pending", "ContainerCreating"), (1006.0, "Running", "")],
)
def test_cold_start_goes_from_pending_to_running_and_is_not_ready(now, phase, reason):
    """The first 5 % of a cold start are the container's, the rest the model's; Ready comes only at its end."""
    starting = pod(replica(Life.STARTING), now)
    assert (starting.phase, starting.reason, starting.ready) == (phase, reason, False)
    assert starting.ready_changed_at is None


def test_ready_pod_tells_how_long_it_took():
    """The engine learns the cold start from the two times."""
    assert startup_of(pod(replica(Life.READY), 1200.0)) == 100.0


def test_draining_pod_is_terminating_and_not_ready():
    """A pod that finishes its last requests is on its way out."""
    draining = pod(replica(Life.DRAINING), 1200.0)
    assert draining.terminating
    assert not draining.ready
