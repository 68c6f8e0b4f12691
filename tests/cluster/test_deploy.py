"""deploy/base: accepted by a real API server, restricted as a pod can be, and its Role neither short nor generous."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from autoscaler.cluster.facts import TargetFacts, TargetRef
from autoscaler.cluster.kubernetes import KubernetesCluster
from autoscaler.cluster.port import EventType
from autoscaler.documents.compile import compile_all
from autoscaler.documents.load import load
from autoscaler.engine.spec import Mode
from autoscaler.settings import load_settings
from tests.cluster.manifests import BASE, manifest, manifests, path_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.real.control_plane import ControlPlane


def pod() -> dict[str, Any]:
    """Return the spec of the autoscaler's pod."""
    spec: dict[str, Any] = manifest("Deployment")["spec"]["template"]["spec"]
    return spec


def test_pod_is_restricted() -> None:
    """The pod meets the restricted profile: no root, no privilege, no capability, nothing to write to."""
    assert pod()["securityContext"]["runAsNonRoot"] is True
    assert pod()["securityContext"]["runAsUser"] > 0
    assert pod()["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = pod()["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not any(pod().get(each) for each in ("hostNetwork", "hostPID", "hostIPC"))
    assert all(set(volume) == {"name", "configMap"} for volume in pod()["volumes"])


def test_pod_is_bounded_and_probed() -> None:
    """The container has requests and limits, and both probes ask where the daemon answers."""
    (container,) = pod()["containers"]
    for kind in ("requests", "limits"):
        assert set(container["resources"][kind]) == {"cpu", "memory"}
    paths = {probe: container[probe]["httpGet"]["path"] for probe in ("livenessProbe", "readinessProbe")}
    assert paths == {"livenessProbe": "/healthz", "readinessProbe": "/readyz"}
    (port,) = container["ports"]
    assert port["containerPort"] == load_settings().listen.port


def test_one_writer() -> None:
    """There is one replica, and the old one is gone before the new one comes."""
    spec = manifest("Deployment")["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def test_names_meet() -> None:
    """What the manifests say of each other exists: account, Role, ConfigMaps, labels."""
    deployment, service = manifest("Deployment"), manifest("Service")
    template = deployment["spec"]["template"]
    assert template["spec"]["serviceAccountName"] == manifest("ServiceAccount")["metadata"]["name"]
    assert manifest("RoleBinding")["roleRef"]["name"] == manifest("Role")["metadata"]["name"]
    configured = {volume["configMap"]["name"] for volume in template["spec"]["volumes"]}
    assert configured == {each["metadata"]["name"] for each in manifests("a") if each["kind"] == "ConfigMap"}
    for selector in (deployment["spec"]["selector"]["matchLabels"], service["spec"]["selector"]):
        assert selector.items() <= template["metadata"]["labels"].items()


def mounted(tmp_path: Path, name: str) -> Path:
    """Lay a ConfigMap out as the kubelet does, by links into a hidden folder, and return the folder."""
    data = manifest("ConfigMap", name)["data"]
    hidden = tmp_path / name / "..2026_01_01_00_00_00.1"
    hidden.mkdir(parents=True)
    (tmp_path / name / "..data").symlink_to(hidden.name)
    for file, text in data.items():
        (hidden / file).write_text(text)
        (tmp_path / name / file).symlink_to(f"..data/{file}")
    return tmp_path / name


def test_settings_and_documents_are_valid(tmp_path: Path) -> None:
    """The settings load, the documents load as they are mounted, and the example writes nothing."""
    settings = load_settings(mounted(tmp_path, "settings") / "settings.yaml", {})
    (container,) = pod()["containers"]
    places = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert {str(path) for path in settings.documents} <= places
    assert container["args"][:2] == ["run", "--settings"]
    assert container["args"][2].rpartition("/")[0] in places
    targets = compile_all(load([mounted(tmp_path, "documents")]))
    assert {each.spec.mode for each in targets} == {Mode.DRY_RUN}


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_kustomize_says_the_same() -> None:
    """Kustomize itself makes of the folder what the other tests take it for."""
    made = subprocess.run(["kubectl", "kustomize", BASE], check=True, capture_output=True, text=True).stdout
    by_name = {(each["kind"], each["metadata"]["name"]): each for each in yaml.safe_load_all(made)}
    assert by_name == {(each["kind"], each["metadata"]["name"]): each for each in manifests("inference")}


@pytest.mark.cluster
def test_api_server_accepts_every_manifest(control_plane: ControlPlane, namespace: str) -> None:
    """Each manifest passes the server's own checks, and comes back with every field that it had."""
    for each in manifests(namespace):
        answer = control_plane.api.create(f"{path_of(each['kind'], namespace)}?dryRun=All", each)
        assert missing(each, answer) == [], each["kind"]


def missing(wanted: Any, found: Any, path: str = "") -> list[str]:
    """Return the paths of `wanted` that are not in `found`: the server drops fields that it does not know."""
    if isinstance(wanted, dict):
        return [
            line
            for key, value in wanted.items()
            for line in ([f"{path}.{key}"] if key not in found else missing(value, found[key], f"{path}.{key}"))
        ]
    if isinstance(wanted, list):
        pairs = zip(wanted, found, strict=False)
        lines = [line for number, (one, other) in enumerate(pairs) for line in missing(one, other, f"{path}[{number}]")]
        return lines if len(wanted) == len(found) else [*lines, f"{path}: {len(wanted)} items, not {len(found)}"]
    return [] if wanted == found else [f"{path}: {json.dumps(wanted)}, not {json.dumps(found)}"]


@pytest.mark.cluster
def test_role_is_exactly_what_is_used(control_plane: ControlPlane, namespace: str, deploy: Any) -> None:
    """Under the Role everything works; it grants no verb that the server did not see used, and nothing elsewhere."""
    for each in manifests(namespace):
        if each["kind"] in {"ServiceAccount", "Role", "RoleBinding"}:
            control_plane.api.create(path_of(each["kind"], namespace), each)
    deploy("a", 1)
    account = manifest("ServiceAccount")["metadata"]["name"]
    token = control_plane.account_token(namespace, account)
    cluster = KubernetesCluster.from_kubeconfig(control_plane.kubeconfig(namespace, token))
    ref = TargetRef(namespace, "a")
    facts = cluster.observe([ref], 5)[ref.key]
    assert isinstance(facts, TargetFacts)
    assert facts.detail == ""
    cluster.scale(facts, 2, 5)
    assert cluster.post_event(ref, "ScaledUp", "1 -> 2", EventType.NORMAL, 5) is None
    assert "cannot list resource" in str(cluster.observe([TargetRef("default", "a")], 5)["default/a"])
    cluster.close()
    requests = list(control_plane.requests_of(f"system:serviceaccount:{namespace}:{account}"))
    used = {(each.group, each.resource, each.verb) for each in requests if each.namespace == namespace}
    granted = {
        (group, resource, verb)
        for rule in manifest("Role")["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert used == granted
    assert [each for each in requests if each.namespace == namespace and not each.allowed] == []
    assert {each.status for each in requests if each.namespace != namespace} == {403}
