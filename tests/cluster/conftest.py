"""Fixtures of the room `cluster`."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from autoscaler.cluster.kubernetes import KubernetesCluster
from tests.cluster.scripted import ScriptedServer
from tests.real.fixtures import control_plane

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.real.control_plane import ControlPlane

__all__ = ["control_plane"]

_numbers = itertools.count(1)


@pytest.fixture
def scripted(tmp_path: Path) -> Iterator[Callable[[Any], tuple[ScriptedServer, KubernetesCluster]]]:
    """Start a server with a script, and return it with a cluster that speaks to it."""
    servers: list[ScriptedServer] = []
    clusters: list[KubernetesCluster] = []

    def start(script: Any) -> tuple[ScriptedServer, KubernetesCluster]:
        servers.append(ScriptedServer(script))
        clusters.append(KubernetesCluster.from_kubeconfig(servers[-1].kubeconfig(tmp_path)))
        return servers[-1], clusters[-1]

    yield start
    for server in servers:
        server.stop()
    for cluster in clusters:
        cluster.close()


@pytest.fixture
def cluster(control_plane: ControlPlane) -> Iterator[KubernetesCluster]:
    """The real API server, as its administrator."""
    found = KubernetesCluster.from_kubeconfig(control_plane.administrator())
    yield found
    found.close()


@pytest.fixture
def namespace(control_plane: ControlPlane) -> str:
    """A namespace of the test's own."""
    return control_plane.create_namespace(f"test-{next(_numbers)}")


@pytest.fixture
def deploy(control_plane: ControlPlane, namespace: str) -> Callable[..., dict[str, Any]]:
    """Create a Deployment in the test's namespace."""

    def create(name: str = "llama-8b", replicas: int = 1, **metadata: Any) -> dict[str, Any]:
        labels = {"app": name}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "server", "image": "server"}]}}
        spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
        body = {"metadata": {"name": name, **metadata}, "spec": spec}
        return control_plane.api.create(f"/apis/apps/v1/namespaces/{namespace}/deployments", body)

    return create
