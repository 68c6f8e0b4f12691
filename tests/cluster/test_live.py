"""The room against a real API server and the real controllers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from autoscaler.cluster.facts import TargetFacts, TargetRef
from autoscaler.cluster.kubernetes import KubernetesCluster
from autoscaler.cluster.port import EventType
from autoscaler.engine.observation import Quality
from autoscaler.errors import ClusterError, ConflictError, TargetMissing
from tests.real.api import STRATEGIC
from tests.real.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.real.control_plane import ControlPlane

pytestmark = pytest.mark.cluster


def observe(cluster: KubernetesCluster, ref: TargetRef, pods: int) -> TargetFacts:
    """Return the target's facts once it has so many pods."""
    facts = eventually(
        lambda: cluster.observe([ref], 5)[ref.key], lambda seen: len(getattr(seen, "replicas", ())) == pods
    )
    assert isinstance(facts, TargetFacts)
    return facts


def pod_path(namespace: str, name: str) -> str:
    """Return a pod's path."""
    return f"/api/v1/namespaces/{namespace}/pods/{name}"


def test_observe(control_plane: ControlPlane, cluster: KubernetesCluster, namespace: str, deploy: Any) -> None:
    """A Deployment's count, annotations and pods are seen, and those of its neighbour with a longer name are not."""
    deploy("a", 2, annotations={"autoscaler.inference.dev/paused": "true"})
    deploy("a-b", 1)
    ref = TargetRef(namespace, "a")
    facts = observe(cluster, ref, 2)
    live = control_plane.api.get(f"/apis/apps/v1/namespaces/{namespace}/deployments/a")
    assert (facts.target, facts.spec_replicas, facts.uid) == (ref.key, 2, live["metadata"]["uid"])
    assert facts.annotations["autoscaler.inference.dev/paused"] == "true"
    assert (facts.replicas_quality, facts.detail, facts.other_writers) == (Quality.OK, "", ())
    assert {each.phase for each in facts.replicas} == {"Pending"}
    assert all(each.name.startswith("a-") and not each.name.startswith("a-b") for each in facts.replicas)
    assert len({each.revision for each in facts.replicas}) == 1


def test_status_of_pods(control_plane: ControlPlane, cluster: KubernetesCluster, namespace: str, deploy: Any) -> None:
    """Readiness with its time and address, and the reason of a pod that cannot be placed, come as they are."""
    deploy("a", 2)
    ref = TargetRef(namespace, "a")
    first, second = observe(cluster, ref, 2).replicas
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    running = {"phase": "Running", "podIP": "127.1.2.3", "conditions": [ready]}
    control_plane.api.patch(f"{pod_path(namespace, first.name)}/status", {"status": running}, STRATEGIC)
    nowhere = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    control_plane.api.patch(
        f"{pod_path(namespace, second.name)}/status", {"status": {"conditions": [nowhere]}}, STRATEGIC
    )
    facts = observe(cluster, ref, 2)
    seen = {each.name: each for each in facts.replicas}
    assert (seen[first.name].ready, seen[first.name].ready_changed_at) == (True, 1767225600.0)
    assert seen[second.name].reason == "Unschedulable"
    assert facts.addresses == {first.name: "127.1.2.3"}


def test_terminating_pod(control_plane: ControlPlane, cluster: KubernetesCluster, namespace: str, deploy: Any) -> None:
    """A pod with a deletion timestamp is still seen, as terminating, beside the one that replaces it."""
    deploy("a", 1)
    ref = TargetRef(namespace, "a")
    name = observe(cluster, ref, 1).replicas[0].name
    node = {"apiVersion": "v1", "kind": "Node", "name": "node"}
    control_plane.api.create(f"{pod_path(namespace, name)}/binding", {"metadata": {"name": name}, "target": node})
    control_plane.api.delete(pod_path(namespace, name), grace_seconds=60)
    facts = observe(cluster, ref, 2)
    assert {each.name: each.terminating for each in facts.replicas}[name] is True
    assert facts.nodes == {name: "node"}
    assert sum(each.terminating for each in facts.replicas) == 1


def test_rollout(control_plane: ControlPlane, cluster: KubernetesCluster, namespace: str, deploy: Any) -> None:
    """In mid-rollout the pods of both ReplicaSets belong to the Deployment, told apart by revision."""
    deploy("a", 2)
    ref = TargetRef(namespace, "a")
    observe(cluster, ref, 2)
    template = {"metadata": {"annotations": {"changed": "yes"}}}
    change = {"spec": {"template": template}}
    control_plane.api.patch(f"/apis/apps/v1/namespaces/{namespace}/deployments/a", change)
    facts = observe(cluster, ref, 3)
    assert len({each.revision for each in facts.replicas}) == 2


def test_scale(control_plane: ControlPlane, cluster: KubernetesCluster, namespace: str, deploy: Any) -> None:
    """The count is written up, to zero, and up from zero, where a Scale has no `replicas` at all."""
    deploy("a", 1)
    ref = TargetRef(namespace, "a")
    for count in (3, 0, 2):
        cluster.scale(_facts(cluster, ref), count, 5)
        assert _facts(cluster, ref).spec_replicas == count
        observe(cluster, ref, count)


def _facts(cluster: KubernetesCluster, ref: TargetRef) -> TargetFacts:
    facts = cluster.observe([ref], 5)[ref.key]
    assert isinstance(facts, TargetFacts)
    return facts


def test_count_changed_behind_us(
    control_plane: ControlPlane, cluster: KubernetesCluster, namespace: str, deploy: Any
) -> None:
    """A count that is not the one decided upon is a conflict, and stays."""
    deploy("a", 1)
    ref = TargetRef(namespace, "a")
    facts = _facts(cluster, ref)
    scale = f"/apis/apps/v1/namespaces/{namespace}/deployments/a/scale"
    control_plane.api.patch(scale, {"spec": {"replicas": 4}})
    with pytest.raises(ConflictError, match=r"its count is 4 now, and was 1 when this was decided"):
        cluster.scale(facts, 2, 5)
    assert _facts(cluster, ref).spec_replicas == 4


def test_changed_between_read_and_write(control_plane: ControlPlane, namespace: str, deploy: Any) -> None:
    """A write in the moment between our read and our write makes ours fail with 409: the other one stays."""
    deploy("a", 1)
    ref = TargetRef(namespace, "a")
    scale = f"/apis/apps/v1/namespaces/{namespace}/deployments/a/scale"

    def somebody_writes() -> bool:
        control_plane.api.patch(scale, {"spec": {"replicas": 7}})
        return True

    cluster = KubernetesCluster.from_kubeconfig(control_plane.administrator(), fence=somebody_writes)
    with pytest.raises(ConflictError, match=r"HTTP 409 Conflict: .*the object has been modified"):
        cluster.scale(_facts(cluster, ref), 2, 5)
    assert _facts(cluster, ref).spec_replicas == 7
    cluster.close()


def test_missing_target(control_plane: ControlPlane, cluster: KubernetesCluster, namespace: str, deploy: Any) -> None:
    """A target that is not there is said by name and leaves the others alone; gone between read and write, likewise."""
    deploy("a", 1)
    here, gone = TargetRef(namespace, "a"), TargetRef(namespace, "b")
    seen = cluster.observe([here, gone, TargetRef("nowhere", "c")], 5)
    assert isinstance(seen[here.key], TargetFacts)
    assert isinstance(seen[gone.key], TargetMissing)
    assert str(seen[gone.key]) == f'{gone.key}: there is no Deployment "b" in namespace "{namespace}"'
    assert isinstance(seen["nowhere/c"], TargetMissing)
    facts = _facts(cluster, here)
    control_plane.api.delete(f"/apis/apps/v1/namespaces/{namespace}/deployments/a")
    with pytest.raises(TargetMissing):
        cluster.scale(facts, 2, 5)


def test_refusal_names_what_is_missing(control_plane: ControlPlane, namespace: str, deploy: Any) -> None:
    """Without a Role, the error names the account, the verb and the resource, and no token."""
    deploy("a", 1)
    control_plane.api.create(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": "nobody"}})
    token = control_plane.account_token(namespace, "nobody")
    cluster = KubernetesCluster.from_kubeconfig(control_plane.kubeconfig("nobody", token))
    ref = TargetRef(namespace, "a")
    refusals = [str(cluster.observe([ref], 5)[ref.key])]
    with pytest.raises(ClusterError) as caught:
        cluster.scale(TargetFacts(ref.key, 1, "1", (), {}, ref=ref), 2, 5)
    refusals += [str(caught.value), str(cluster.post_event(ref, "Scaled", "text", EventType.NORMAL, 5))]
    account = f"system:serviceaccount:{namespace}:nobody"
    for said, verb, resource in zip(
        refusals, ("list", "get", "create"), ("deployments", "deployments/scale", "events"), strict=True
    ):
        assert f'"{account}" cannot {verb} resource "{resource}"' in said
        assert token not in said
    cluster.close()


def test_event(control_plane: ControlPlane, cluster: KubernetesCluster, namespace: str, deploy: Any) -> None:
    """An Event hangs at its Deployment as `kubectl describe` looks for it; a note too long is cut, not refused."""
    created = deploy("a", 1)
    ref = TargetRef(namespace, "a")
    _facts(cluster, ref)
    assert cluster.post_event(ref, "ScaledUp", "1 -> 3: " + "ü" * 2000, EventType.WARNING, 5) is None
    selector = f"involvedObject.uid={created['metadata']['uid']},reason=ScaledUp"
    (event,) = control_plane.api.items(f"/api/v1/namespaces/{namespace}/events?fieldSelector={selector}")
    assert event["type"] == "Warning"
    assert event["message"].startswith("1 -> 3: üü")
    assert len(event["message"].encode()) <= 1024


def test_other_writers(control_plane: ControlPlane, cluster: KubernetesCluster, namespace: str, deploy: Any) -> None:
    """An HPA on the target is found, and named."""
    deploy("a", 1)
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "a"}
    control_plane.api.create(
        f"/apis/autoscaling/v1/namespaces/{namespace}/horizontalpodautoscalers",
        {"metadata": {"name": "cpu"}, "spec": {"scaleTargetRef": target, "maxReplicas": 3}},
    )
    assert _facts(cluster, TargetRef(namespace, "a")).other_writers == ("HorizontalPodAutoscaler/cpu",)


def test_certificate_of_somebody_else(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> None:
    """A server that cannot prove who it is gets no token: the error says that its certificate was refused."""
    kubeconfig = yaml.safe_load(control_plane.administrator().read_text())
    del kubeconfig["clusters"][0]["cluster"]["certificate-authority"]
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(kubeconfig))
    cluster = KubernetesCluster.from_kubeconfig(tmp_path / "kubeconfig")
    seen = str(cluster.observe([TargetRef(namespace, "a")], 5)[f"{namespace}/a"])
    assert "certificate verify failed" in seen
    assert "\n" not in seen
    cluster.close()


def test_in_cluster(
    control_plane: ControlPlane,
    namespace: str,
    deploy: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without a kubeconfig, inside a pod, the mounted token of the ServiceAccount is what is sent."""
    deploy("a", 1)
    control_plane.api.create(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": "pod"}})
    (tmp_path / "token").write_text(control_plane.account_token(namespace, "pod"))
    host, _, port = control_plane.url.removeprefix("https://").partition(":")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    monkeypatch.setattr("kubernetes.config.incluster_config.SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr("kubernetes.config.incluster_config.SERVICE_CERT_FILENAME", str(control_plane.ca_file))
    cluster = KubernetesCluster.from_kubeconfig(None)
    ref = TargetRef(namespace, "a")
    assert f'"system:serviceaccount:{namespace}:pod" cannot list' in str(cluster.observe([ref], 5)[ref.key])
    cluster.close()
