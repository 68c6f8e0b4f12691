"""Everything around the daemon: a namespace with a Deployment, its pods, a gateway, clients, and a Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Self

from tests.cluster.manifests import manifests, path_of
from tests.real.discovery import Discovery
from tests.real.gateway import Gateway, Load
from tests.real.node_agent import NodeAgent, PodPlan

if TYPE_CHECKING:
    from tests.real.api import Api, Json
    from tests.real.control_plane import ControlPlane

NAMESPACE = "inference"
NAME = "llama-8b"
ACCOUNT = "inference-autoscaler"


class Stage:
    """What is there before the daemon comes."""

    def __init__(self, plane: ControlPlane, plan: PodPlan) -> None:
        self.api: Api = plane.api
        plane.create_namespace(NAMESPACE)
        for each in manifests(NAMESPACE):
            if each["kind"] in {"ServiceAccount", "Role", "RoleBinding"}:
                self.api.create(path_of(each["kind"], NAMESPACE), each)
        self.kubeconfig = plane.kubeconfig(ACCOUNT, plane.account_token(NAMESPACE, ACCOUNT), NAMESPACE)
        self.agent = NodeAgent(self.api, NAMESPACE, plan)
        self.discovery = Discovery(self.api, NAMESPACE, self.agent.port)
        self.gateway = Gateway(self.api, NAMESPACE, self.agent.port, NAME)
        self.load = Load(self.gateway)
        self.api.create(path_of("Deployment", NAMESPACE), _deployment())

    @property
    def wanted(self) -> int:
        """The count that the Deployment asks for."""
        spec = self.api.get(f"{path_of('Deployment', NAMESPACE)}/{NAME}")["spec"]
        return int(spec["replicas"])

    @property
    def pods(self) -> Pods:
        """What pods there are."""
        found = self.api.items(f"/api/v1/namespaces/{NAMESPACE}/pods")
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
        uid = self.api.get(f"{path_of('Deployment', NAMESPACE)}/{NAME}")["metadata"]["uid"]
        found = self.api.items(f"/apis/events.k8s.io/v1/namespaces/{NAMESPACE}/events")
        ours = [each for each in found if each["reason"] in reasons and each["regarding"].get("uid") == uid]
        return [each["note"] for each in sorted(ours, key=lambda each: each["eventTime"])]

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
