"""A world in memory for the daemon: Deployments, pods, signals and Events, and what can go wrong with each."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from autoscaler.cluster.facts import TargetFacts, TargetRef
from autoscaler.engine.observation import Quality, Replica, Signal, unknown
from autoscaler.errors import ClusterError, ConflictError, TargetMissing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from autoscaler.cluster.port import EventType
    from autoscaler.sources.target import Target

NAMESPACE = "inference"

POLICY = """
apiVersion: autoscaler.inference.dev/v1alpha1
kind: ScalingPolicy
metadata: {{name: pending}}
spec:
  rules:
    - {{type: pendingRequests, targetPerReplica: {target}}}
  behavior:
    scaleDown: {{stabilizationWindowSeconds: 60}}
"""
TARGET = """
apiVersion: autoscaler.inference.dev/v1alpha1
kind: InferenceAutoscaler
metadata: {{name: {name}, namespace: inference}}
spec:
  scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: {name}}}
  minReplicas: {minimum}
  maxReplicas: {maximum}
  mode: {mode}
  backend: vllm
  policyRef: {{name: pending}}
"""


def documents(*names: str, mode: str = "Active", minimum: int = 1, maximum: int = 10, target: int = 10) -> str:
    """Return documents for the targets: one replica for every `target` pending requests."""
    parts = [POLICY.format(target=target)]
    parts += [TARGET.format(name=name, mode=mode, minimum=minimum, maximum=maximum) for name in names]
    return "---".join(parts)


def write_documents(folder: Path, *names: str, **fields: object) -> Path:
    """Write the documents to a file in the folder, and return it."""
    path = folder / "documents.yaml"
    path.write_text(documents(*names, **fields))
    return path


@dataclass
class Workload:
    """One Deployment with pods that are ready at once."""

    replicas: int = 1
    version: int = 1
    annotations: dict[str, str] = field(default_factory=dict)
    pending: float = 0.0
    quality: Quality = Quality.OK


class MemoryCluster:
    """Fulfils `Cluster`; what goes wrong is set from outside, by target or for all."""

    def __init__(self, now: Callable[[], float], **workloads: Workload) -> None:
        self.now = now
        self.workloads = {f"{NAMESPACE}/{name}": workload for name, workload in workloads.items()}
        self.writes: list[tuple[str, int, int]] = []
        self.events: list[tuple[str, str, str]] = []
        self.observed: list[tuple[str, ...]] = []
        self.refuse = False
        self.gone: set[str] = set()
        self.hooks: dict[str, Callable[[Workload, int], None]] = {}
        self.event_failure: str | None = None

    def observe(self, targets: Sequence[TargetRef], deadline_seconds: float):
        self.observed.append(tuple(ref.key for ref in targets))
        if self.refuse:
            return {ref.key: ClusterError("the API server refused the connection") for ref in targets}
        return {ref.key: self._facts(ref) for ref in targets}

    def _facts(self, ref: TargetRef) -> TargetFacts | ClusterError:
        workload = self.workloads.get(ref.key)
        if workload is None or ref.key in self.gone:
            return TargetMissing(f"Deployment {ref.key} does not exist")
        pods = tuple(
            Replica(f"{ref.name}-{number}", "Running", True, self.now() - 3600.0, self.now() - 3500.0)
            for number in range(workload.replicas)
        )
        addresses = {pod.name: f"127.0.0.1:{9000 + number}" for number, pod in enumerate(pods)}
        return TargetFacts(
            ref.key,
            workload.replicas,
            str(workload.version),
            pods,
            addresses,
            annotations=dict(workload.annotations),
            ref=ref,
        )

    def scale(self, facts: TargetFacts, replicas: int, deadline_seconds: float) -> None:
        workload = self.workloads[facts.target]
        hook = self.hooks.get(facts.target)
        if hook is not None:
            hook(workload, replicas)
        if self.refuse:
            raise ClusterError("the API server refused the connection")
        if workload.replicas != facts.spec_replicas or str(workload.version) != facts.resource_version:
            raise ConflictError(f"{facts.target}: HTTP 409")
        self.set(facts.target, replicas)
        self.writes.append((facts.target, facts.spec_replicas, replicas))

    def set(self, key: str, replicas: int) -> None:
        """Change the count, as a write or somebody else would."""
        self.workloads[key].replicas = replicas
        self.workloads[key].version += 1

    def post_event(
        self, target: TargetRef, reason: str, message: str, kind: EventType, deadline_seconds: float
    ) -> str | None:
        if self.event_failure is None:
            self.events.append((target.key, reason, message))
        return self.event_failure


class MemorySource:
    """Fulfils `Source` with each workload's own load."""

    def __init__(self, cluster: MemoryCluster) -> None:
        self.cluster = cluster
        self.asked: list[Target] = []
        self.closed = False

    def collect(
        self, targets: Sequence[Target], now: float, deadline_seconds: float
    ) -> Mapping[str, Mapping[str, Signal]]:
        self.asked = list(targets)
        return {target.name: self._signals(target, now) for target in targets}

    def _signals(self, target: Target, now: float) -> dict[str, Signal]:
        workload = self.cluster.workloads[target.name]
        signals = {}
        for request in target.requests:
            if workload.quality is not Quality.OK:
                signals[request.key] = unknown(request, workload.quality, "made unknown by the test")
                continue
            value = workload.pending if request.name == "pendingRequests" else 0.0
            signals[request.key] = Signal(request.key, value, "requests", now, Quality.OK, len(target.pods))
        return signals

    def close(self) -> None:
        self.closed = True


class Gate:
    """Something that hangs until the test lets it go."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self._open = threading.Event()

    def __call__(self, *_: object) -> None:
        self.entered.release()
        if not self._open.wait(60):
            raise AssertionError("the test forgot to open the gate")

    def open(self) -> None:
        self._open.set()
