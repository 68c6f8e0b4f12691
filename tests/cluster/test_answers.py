"""From JSON to facts, without a server."""

from __future__ import annotations

from typing import Any

import pytest

from autoscaler.cluster import answers
from autoscaler.engine.observation import Replica


def pod(status: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    """Return a pod as the API server writes it."""
    owner = {"kind": "ReplicaSet", "name": "a-1", "uid": "set-1", "controller": True}
    found = {"name": "a-1-x", "creationTimestamp": "2026-01-01T00:00:00Z", "ownerReferences": [owner]}
    return {"metadata": found | metadata, "spec": {"nodeName": "n"}, "status": status or {}}


def waiting(*reasons: str) -> dict[str, Any]:
    """Return the status of a pod with a container waiting for each reason."""
    return {"containerStatuses": [{"restartCount": 2, "state": {"waiting": {"reason": each}}} for each in reasons]}


def test_pod_facts() -> None:
    """A ready pod keeps phase, readiness, both times, revision, restarts, address and node."""
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:01:30Z"}
    status = {
        "phase": "Running",
        "podIP": "10.0.0.7",
        "conditions": [ready],
        "containerStatuses": [{"restartCount": 1}],
    }
    parsed = answers.parse_pod(pod(status, labels={"pod-template-hash": "abc"}))
    start = 1767225600.0
    assert parsed == (
        "set-1",
        "10.0.0.7",
        "n",
        Replica("a-1-x", "Running", True, start, start + 90, revision="abc", restarts=1),
    )


def test_not_ready_any_more() -> None:
    """A pod whose Ready condition is false is not ready, since when the condition changed."""
    lost = {"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:01:30Z"}
    parsed = answers.parse_pod(pod({"conditions": [lost]}))
    assert (parsed.replica.ready, parsed.replica.ready_changed_at) == (False, 1767225690.0)


def test_terminating_is_the_deletion_timestamp() -> None:
    """A pod that is to go is terminating even while it still says Ready."""
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:01:30Z"}
    parsed = answers.parse_pod(pod({"conditions": [ready]}, deletionTimestamp="2026-01-01T00:02:00Z"))
    assert (parsed.replica.ready, parsed.replica.terminating) == (True, True)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ({}, ""),
        ({"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]}, "Unschedulable"),
        ({"conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]}, ""),
        (waiting("CrashLoopBackOff"), "CrashLoopBackOff"),
        (waiting("ContainerCreating", "ImagePullBackOff"), "ImagePullBackOff"),
        (waiting("ContainerCreating"), "ContainerCreating"),
        ({"initContainerStatuses": waiting("CrashLoopBackOff")["containerStatuses"]}, "CrashLoopBackOff"),
    ],
)
def test_reason(status: dict[str, Any], reason: str) -> None:
    """The reason is why the pod cannot be placed, or the worst that a container waits for."""
    assert answers.parse_pod(pod(status)).replica.reason == reason


def test_pods_belong_to_who_owns_them() -> None:
    """Pods are joined by uids: a name that looks alike is nothing, and no owner is nobody's."""
    stranger = pod(name="a-1-y", ownerReferences=[{"uid": "set-2", "controller": True}])
    orphan = pod(name="a-1-z", ownerReferences=[])
    not_controlled = pod(name="a-1-w", ownerReferences=[{"uid": "set-1", "controller": False}])
    sets = [{"metadata": {"uid": "set-1", "ownerReferences": [{"uid": "deployment-1", "controller": True}]}}]
    found = answers.by_target(answers.pods([pod(), stranger, orphan, not_controlled]), answers.owners(sets))
    assert {target: [each.replica.name for each in pods] for target, pods in found.items()} == {
        "deployment-1": ["a-1-x"]
    }


def test_writers() -> None:
    """An HPA is named as such, one that KEDA keeps as its ScaledObject, and only those on the very target count."""
    target = {"kind": "Deployment", "name": "a"}
    found = answers.writers(
        [
            {"metadata": {"name": "one"}, "spec": {"scaleTargetRef": target}},
            {
                "metadata": {"name": "keda-hpa-two", "labels": {"scaledobject.keda.sh/name": "two"}},
                "spec": {"scaleTargetRef": target},
            },
            {"metadata": {"name": "three"}, "spec": {"scaleTargetRef": target | {"kind": "StatefulSet"}}},
            {"metadata": {"name": "four"}, "spec": {"scaleTargetRef": target | {"name": "ab"}}},
        ]
    )
    assert answers.writers_of(found, "Deployment", "a") == ("HorizontalPodAutoscaler/one", "ScaledObject/two")


@pytest.mark.parametrize(("spec", "count"), [({"replicas": 3}, 3), ({}, 0), ({"replicas": 0}, 0)])
def test_scale_without_replicas_is_zero(spec: dict[str, int], count: int) -> None:
    """A Scale at zero has no `replicas` field."""
    assert answers.scale_count({"spec": spec}) == count


@pytest.mark.parametrize(("spec", "count"), [({"replicas": 0}, 0), ({"replicas": None}, 1), ({}, 1)])
def test_deployment_without_replicas_is_one(spec: dict[str, int | None], count: int) -> None:
    """On a Deployment, no `replicas` means one."""
    found = {"metadata": {"name": "a", "uid": "u", "resourceVersion": "7"}, "spec": spec}
    assert answers.deployments([found])["a"].replicas == count


def test_empty_list_is_null() -> None:
    """The API writes an empty list as null; anything else is refused."""
    assert answers.items({"items": None}) == []
    with pytest.raises(TypeError, match="expected a list, found str"):
        answers.items({"items": "x"})
