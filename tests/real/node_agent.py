"""Plays the kubelet for the pods of one namespace, through the real API.

Each pod is bound to a node, gets a loopback address of its own (127.1.x.y), starts slowly, becomes Ready with an
emulated inference server behind it, and, once it is to go, finishes what it serves before it is removed.
"""

from __future__ import annotations

import itertools
import random
import threading
from datetime import UTC, datetime
from typing import NamedTuple

from tests.real.api import STRATEGIC, Api, ApiError, Json, Watch
from tests.real.child import free_port
from tests.real.inference_server import InferenceServer

NODE = "gpu-node-1"


class PodPlan(NamedTuple):
    """What every pod is like."""

    cold_start_seconds: float = 3.0
    places: int = 4
    service_seconds: float = 0.25
    grace_seconds: float = 5.0


class NodeAgent:
    """Runs the pods of a namespace; `port` is where each of their servers listens."""

    def __init__(self, api: Api, namespace: str, plan: PodPlan) -> None:
        self.plan = plan
        self.port = free_port()
        self.faults: list[str] = []
        self._api, self._pods = api, f"/api/v1/namespaces/{namespace}/pods"
        block = random.randint(1, 254)
        self._addresses = (f"127.1.{block}.{last}" for last in itertools.cycle(range(1, 255)))
        self._lives: dict[str, _Life] = {}
        self._watch = Watch(api, self._pods, self._changed)

    def _changed(self, kind: str, pod: Json) -> None:
        uid = pod["metadata"]["uid"]
        life = self._lives.get(uid)
        if life is None and kind != "DELETED":
            life = self._lives[uid] = _Life(self, pod, next(self._addresses))
            life.thread.start()
        if life and (kind == "DELETED" or pod["metadata"].get("deletionTimestamp")):
            life.leave.set()

    def stop(self) -> None:
        """Leave every pod as it is, and stop the servers."""
        self._watch.stop()
        for life in self._lives.values():
            life.abandoned = True
            life.leave.set()
        for life in self._lives.values():
            life.thread.join(self.plan.grace_seconds + 10)

    def call(self, method: str, path: str, body: Json, content_type: str = "application/json") -> None:
        """Send one request about a pod; a pod that is gone is nobody's fault."""
        try:
            self._api.call(method, self._pods + path, body, content_type)
        except ApiError as error:
            if error.status not in {404, 409}:
                self.faults.append(f"{method} {path}: {error}")


class _Life:
    """One pod, from its binding to its removal, in a thread of its own."""

    def __init__(self, agent: NodeAgent, pod: Json, address: str) -> None:
        self.leave = threading.Event()
        self.abandoned = False
        self._agent, self._pod, self._address = agent, pod, address
        self._name = pod["metadata"]["name"]
        self.thread = threading.Thread(target=self._live, name=self._name, daemon=True)

    def _live(self) -> None:
        if not self._pod["spec"].get("nodeName"):
            self._bind()
        self._report(ready=False)
        if not self.leave.wait(self._agent.plan.cold_start_seconds):
            plan = self._agent.plan
            server = InferenceServer(self._address, self._agent.port, plan.places, plan.service_seconds)
            self._report(ready=True)
            self.leave.wait()
            server.drain(0.0 if self.abandoned else plan.grace_seconds)
            self._remove()
            server.stop()
        else:
            self._remove()

    def _bind(self) -> None:
        target = {"apiVersion": "v1", "kind": "Node", "name": NODE}
        self._agent.call("POST", f"/{self._name}/binding", {"metadata": {"name": self._name}, "target": target})

    def _report(self, *, ready: bool) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        waiting = {"waiting": {"reason": "ContainerCreating"}}
        container = {
            "name": self._pod["spec"]["containers"][0]["name"],
            "image": self._pod["spec"]["containers"][0]["image"],
            "imageID": "",
            "restartCount": 0,
            "ready": ready,
            "started": ready,
            "state": {"running": {"startedAt": now}} if ready else waiting,
        }
        conditions = [
            {"type": kind, "status": str(is_true), "lastTransitionTime": now}
            for kind, is_true in (("Initialized", True), ("ContainersReady", ready), ("Ready", ready))
        ]
        status = {
            "phase": "Running" if ready else "Pending",
            "podIP": self._address,
            "conditions": conditions,
            "containerStatuses": [container],
        }
        self._agent.call("PATCH", f"/{self._name}/status", {"status": status}, STRATEGIC)

    def _remove(self) -> None:
        if not self.abandoned:
            uid = self._pod["metadata"]["uid"]
            self._agent.call("DELETE", f"/{self._name}", {"gracePeriodSeconds": 0, "preconditions": {"uid": uid}})
