"""Everything that the daemon needs around it, on loopback: fleet, Deployment, gateway, and the documents."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from autoscaler.cluster.facts import TargetRef
from autoscaler.daemon.sandbox import hardware
from autoscaler.daemon.sandbox.deployment import SandboxDeployment
from autoscaler.daemon.sandbox.fleet import SandboxFleet
from autoscaler.daemon.sandbox.metrics_page import Naming
from autoscaler.daemon.sandbox.traffic import STORY, generate

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from autoscaler.daemon.sandbox.traffic import Chapter

NAMESPACE, NAME = "inference", "llama-8b"
INITIAL_REPLICAS = 1
_DOCUMENT = "demo.yaml"


class World:
    """A cluster of one Deployment, made of the simulator; close it to stop its servers and drop its files."""

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        seed: int = 0,
        horizon_seconds: float,
        backend: str = "vllm",
        story: tuple[Chapter, ...] = STORY,
    ) -> None:
        naming = Naming(backend, NAMESPACE, NAME, hardware.MODEL, hardware.GPU).checked()
        self.ref = TargetRef(NAMESPACE, NAME)
        self.fleet = SandboxFleet(
            hardware.kernel(seed, INITIAL_REPLICAS, backend),
            generate(seed, horizon_seconds, story),
            INITIAL_REPLICAS,
            naming,
            clock,
        )
        self.deployment = SandboxDeployment(self.ref, self.fleet, INITIAL_REPLICAS, clock)
        self._folder = TemporaryDirectory(prefix="autoscaler-sandbox-")
        self.documents = Path(self._folder.name) / _DOCUMENT
        """What the daemon reads; an edit takes effect at the next tick."""
        self.documents.write_text(document_text(backend, self.fleet.gateway.url), encoding="utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop all servers and remove the documents."""
        self.fleet.close()
        self._folder.cleanup()


def document_text(backend: str, gateway_url: str) -> str:
    """Return the demo's documents for that backend and gateway.

    TGI has no histogram of the time to first token, so its guard looks at the end-to-end time.
    """
    text = resources.files("autoscaler.daemon.sandbox").joinpath(_DOCUMENT).read_text(encoding="utf-8")
    latency = ("timeToFirstToken", "2") if backend == "vllm" else ("endToEnd", "20")
    words = {"BACKEND": backend, "GATEWAY_URL": gateway_url, "LATENCY_SIGNAL": latency[0], "OBJECTIVE": latency[1]}
    for word, value in words.items():
        text = text.replace(word, value)
    return text
