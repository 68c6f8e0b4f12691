"""The manifests of `deploy/base`, as kustomize would apply them."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml

BASE = Path(__file__).parents[2] / "deploy" / "base"
PATHS = {
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "Service": "/api/v1/namespaces/{}/services",
}


def manifests(namespace: str) -> list[dict[str, Any]]:
    """Return every manifest that the kustomization names, set into the namespace."""
    resources = yaml.safe_load((BASE / "kustomization.yaml").read_text())["resources"]
    found = []
    for name in resources:
        for each in yaml.safe_load_all((BASE / name).read_text()):
            manifest = copy.deepcopy(each)
            manifest["metadata"]["namespace"] = namespace
            for subject in manifest.get("subjects", ()):
                subject["namespace"] = namespace
            found.append(manifest)
    return found


def manifest(kind: str, name: str = "", namespace: str = "inference") -> dict[str, Any]:
    """Return the manifest of this kind, and name if there are several."""
    (found,) = (
        each for each in manifests(namespace) if each["kind"] == kind and each["metadata"]["name"].endswith(name)
    )
    return found


def path_of(kind: str, namespace: str) -> str:
    """Return where objects of the kind are created."""
    return PATHS[kind].format(namespace)
