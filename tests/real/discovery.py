"""Service discovery for Prometheus by HTTP: the pods a watch of the real API shows, in the words of `kubernetes_sd`."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from tests.real.api import Api, Json, Watch
from tests.real.inference_server import LoopbackServer

if TYPE_CHECKING:
    from collections.abc import Iterator


class Discovery:
    """Answers at `url` with one target for each pod that has an address."""

    def __init__(self, api: Api, namespace: str, port: int) -> None:
        self._port = port
        self._watch = Watch(api, f"/api/v1/namespaces/{namespace}/pods")
        self._server = LoopbackServer("127.0.0.1", 0, lambda *_: (200, "application/json", self._targets()))
        self.url = f"{self._server.url}/pods"

    def stop(self) -> None:
        """Stop to watch and to answer."""
        self._server.stop()
        self._watch.stop()

    def _targets(self) -> bytes:
        groups = [
            {"targets": [f"{pod['status']['podIP']}:{self._port}"], "labels": dict(_labels(pod))}
            for pod in self._watch.objects
            if pod.get("status", {}).get("podIP")
        ]
        return json.dumps(groups).encode()


def _labels(pod: Json) -> Iterator[tuple[str, str]]:
    yield "__meta_kubernetes_namespace", pod["metadata"]["namespace"]
    yield "__meta_kubernetes_pod_name", pod["metadata"]["name"]
    yield "__meta_kubernetes_pod_ip", pod["status"]["podIP"]
    yield "__meta_kubernetes_pod_phase", pod["status"].get("phase", "Pending")
    for name, value in (pod["metadata"].get("labels") or {}).items():
        yield "__meta_kubernetes_pod_label_" + re.sub(r"\W", "_", name, flags=re.ASCII), value
