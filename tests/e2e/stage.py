"""Everything around the daemon: a namespace with a Deployment, its pods, a gateway, clients, and a Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Self

from tests.cluster.manifests import manifests, path_of
from tests.real.discovery import Discovery
from tests.real.gateway import Gateway, Load
from tests.real.node_agent import NodeAgent, PodPlan

if TYPE_CHECKING:
    from tests.real.api import Api, Json
    from tests.real.control_plane import ControlPlane, Request

NAME = "llama-8b"
ACCOUNT = "inference-autoscaler"


class Stage:
    """What is there before the daemon comes."""

    def __init__(self, plane: ControlPlane, namespace: str, plan: PodPlan) -> None:
        self.namespace = plane.create_namespace(namespace)
        self.api: Api = plane.api
        self._plane = plane
        for each in manifests(namespace):
            if each["kind"] in {"ServiceAccount", "Role", "RoleBinding"}:
                self.api.create(path_of(each["kind"], namespace), each)
        self.kubeconfig = plane.kubeconfig(namespace, plane.account_token(namespace, ACCOUNT), namespace)
        self.agent = NodeAgent(self.api, namespace, plan)
        self.discovery = Discovery(self.api, namespace, self.agent.port)
        self.gateway = Gateway(self.api, namespace, self.agent.port, NAME)
        self.load = Load(self.gateway)
        self._deployments = path_of("Deployment", namespace)
        self.api.create(self._deployments, _deployment())

    @property
    def wanted(self) -> int:
        """The count that the Deployment asks for."""
        spec = self.api.get(f"{self._deployments}/{NAME}")["spec"]
        return int(spec["replicas"])

    @property
    def pods(self) -> Pods:
        """What pods there are."""
        found = self.api.items(f"/api/v1/namespaces/{self.namespace}/pods")
        live = [each for each in found if not each["metadata"].get("deletionTimestamp")]
        return Pods(sum(_is_ready(each) for each in live), len(live), len(found) - len(live))

    @property
    def scrape_configs(self) -> list[dict[str, Any]]:
        """What a Prometheus with `kubernetes_sd` would be told, with `http_sd` in its place."""
        relabeling = [
            {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "namespace"},
            {"source_labels": ["__meta_kubernetes_pod_name"], "target_label": "pod"},
        ]
        discovery = [{"url": self.discovery.url, "refresh_interval": "1s"}]
        gateway = [{"targets": [self.gateway.address]}]
        return [
            {"job_name": "pods", "http_sd_configs": discovery, "relabel_configs": relabeling},
            {"job_name": "gateway", "static_configs": gateway},
        ]

    def events(self, *reasons: str) -> list[str]:
        """Return the notes of the Deployment's Events with these reasons, oldest first."""
        uid = self.api.get(f"{self._deployments}/{NAME}")["metadata"]["uid"]
        found = self.api.items(f"/apis/events.k8s.io/v1/namespaces/{self.namespace}/events")
        ours = [each for each in found if each["reason"] in reasons and each["regarding"].get("uid") == uid]
        return [each["note"] for each in sorted(ours, key=lambda each: each["eventTime"])]

    def steps(self) -> list[tuple[int, int]]:
        """Return what the Events say of each change, as (before, after), oldest first."""
        notes = self.events("ScaledUp", "ScaledDown")
        return [(int(before), int(after)) for before, after in (note.split(":")[0].split(" -> ") for note in notes)]

    def requests(self) -> list[Request]:
        """Return what the daemon asked of the API server, as its audit log has it."""
        return list(self._plane.requests_of(f"system:serviceaccount:{self.namespace}:{ACCOUNT}"))

    def writes(self) -> int:
        """Return how many requests of the daemon changed a count."""
        return sum(each.verb == "patch" and each.status == 200 for each in self.requests())

    def stop(self) -> None:
        """Stop the clients first, then what serves them."""
        self.load.stop()
        for part in (self.gateway, self.discovery, self.agent):
            part.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()


class Pods(NamedTuple):
    """The Deployment's pods."""

    ready: int
    live: int
    terminating: int


def _is_ready(pod: Json) -> bool:
    conditions = pod["status"].get("conditions") or ()
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _deployment() -> Json:
    labels = {"app": NAME}
    container = {"name": "server", "image": "vllm", "resources": {"limits": {"nvidia.com/gpu": "1"}}}
    pod: dict[str, Any] = {"terminationGracePeriodSeconds": 5, "containers": [container]}
    template = {"metadata": {"labels": labels}, "spec": pod}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": NAME}, "spec": spec}
