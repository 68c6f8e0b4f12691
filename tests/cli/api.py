"""A loopback server that is both the API server of one Deployment and its only pod's page of metrics."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from tests.cluster.scripted import ScriptedServer, replies

if TYPE_CHECKING:
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path

PAGE = """# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{model_name="m"} 30
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{model_name="m"} 20
# TYPE vllm:request_success_total counter
vllm:request_success_total{model_name="m",finished_reason="stop"} 7
"""
_CREATED = "2026-11-20T12:00:00Z"


class OneDeployment:
    """A Deployment `inference/a` with one ready pod, whose page shows 50 requests."""

    def __init__(self) -> None:
        self.replicas = 1
        self.exists = True
        self.written = threading.Event()
        self.write_may_end = threading.Event()
        self.write_may_end.set()
        self.server = ScriptedServer(self._script)

    def settings(self, folder: Path) -> dict[str, str]:
        """Return the environment of a daemon that is to talk to this server, and to read the pod directly."""
        return {
            "AUTOSCALER_SOURCE": "scrape",
            "AUTOSCALER_SCRAPE__PORT": str(self.server.server_address[1]),
            "AUTOSCALER_KUBERNETES__KUBECONFIG": str(self.server.kubeconfig(folder)),
        }

    def _script(self, method: str, path: str) -> Any:
        if path == "/metrics":
            return replies(PAGE, headers={"Content-Type": "text/plain; version=0.0.4"})
        if method == "PATCH":
            return self._patch
        if method == "POST":
            return replies({}, 201)
        if path.endswith("/scale"):
            return replies(self._scale())
        kind = path.rsplit("/", 1)[-1]
        return replies({"kind": "List", "apiVersion": "v1", "metadata": {}, "items": self._items(kind)})

    def _patch(self, handler: BaseHTTPRequestHandler) -> None:
        self.written.set()
        self.write_may_end.wait(60)
        self.replicas = 5
        replies(self._scale())(handler)

    def _scale(self) -> dict[str, Any]:
        return {
            "apiVersion": "autoscaling/v1",
            "kind": "Scale",
            "metadata": {"name": "a", "namespace": "inference", "resourceVersion": "7"},
            "spec": {"replicas": self.replicas},
            "status": {"replicas": 1},
        }

    def _items(self, kind: str) -> list[dict[str, Any]]:
        if kind == "deployments" and self.exists:
            metadata = {"name": "a", "namespace": "inference", "uid": "d", "resourceVersion": "7"}
            return [{"metadata": metadata, "spec": {"replicas": self.replicas}}]
        if kind == "replicasets" and self.exists:
            return [{"metadata": _owned("rs", "Deployment", "a", "d")}]
        if kind == "pods" and self.exists:
            ready = {"type": "Ready", "status": "True", "lastTransitionTime": _CREATED}
            status = {"phase": "Running", "podIP": "127.0.0.1", "conditions": [ready], "containerStatuses": []}
            return [{"metadata": _owned("p", "ReplicaSet", "rs", "rs"), "spec": {"nodeName": "n"}, "status": status}]
        return []


def _owned(name: str, kind: str, owner: str, uid: str) -> dict[str, Any]:
    reference = {"apiVersion": "apps/v1", "kind": kind, "name": owner, "uid": uid, "controller": True}
    return {
        "name": name,
        "namespace": "inference",
        "uid": name,
        "creationTimestamp": _CREATED,
        "labels": {"pod-template-hash": "1"},
        "ownerReferences": [reference],
    }
