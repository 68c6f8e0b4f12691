"""An in-memory Deployment: a count with a resourceVersion, and pods that go through the phases of a cold start."""

from __future__ import annotations

from collections import deque
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple, Protocol

from autoscaler.cluster.facts import TargetFacts
from autoscaler.daemon.sandbox.numbers import Life
from autoscaler.engine.observation import Replica
from autoscaler.errors import ConflictError, TargetMissing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from autoscaler.cluster.facts import TargetRef
    from autoscaler.cluster.port import EventType
    from autoscaler.daemon.sandbox.numbers import FleetNumbers, ReplicaNumbers
    from autoscaler.errors import ClusterError

REVISION = "6f7d9c5b8"
"""The pod-template-hash: the sandbox has no rollouts."""
_EVENTS_KEPT = 100
_PENDING_SHARE = 0.05
"""The part of a cold start before the container runs, its image being there; the rest is loading the model."""


class Posted(NamedTuple):
    """An Event as it was posted."""

    at: float
    reason: str
    message: str
    kind: EventType


class Pods(Protocol):
    """What stands behind the Deployment."""

    def numbers(self) -> FleetNumbers:
        """Return the fleet as it is now."""

    def addresses(self) -> Mapping[str, str]:
        """Return the addresses of the pods that serve, by name."""

    def scale_to(self, replicas: int) -> None:
        """Create or drain replicas until there are that many."""


class SandboxDeployment:
    """One Deployment, as the daemon's `Cluster`: nothing in it needs a network."""

    def __init__(self, ref: TargetRef, pods: Pods, replicas: int, clock: Callable[[], float]) -> None:
        self._ref = ref
        self._pods = pods
        self._clock = clock
        self._lock = Lock()
        self._wanted = replicas
        self._version = 1
        self.events: deque[Posted] = deque(maxlen=_EVENTS_KEPT)

    @property
    def wanted(self) -> int:
        """`spec.replicas`."""
        return self._wanted

    def observe(
        self, targets: Sequence[TargetRef], deadline_seconds: float
    ) -> Mapping[str, TargetFacts | ClusterError]:
        """Return the Deployment's facts; any other target is missing."""
        del deadline_seconds
        return {ref.key: self._facts() if ref == self._ref else _missing(ref) for ref in targets}

    def scale(self, facts: TargetFacts, replicas: int, deadline_seconds: float) -> None:
        """Write the count, unless it is no longer the one in `facts`.

        Raises:
            ConflictError: somebody else changed the count since.
            TargetMissing: the facts are of another target.
        """
        del deadline_seconds
        if facts.target != self._ref.key:
            raise _missing(facts.ref)
        with self._lock:
            if facts.spec_replicas != self._wanted or facts.resource_version != str(self._version):
                raise ConflictError(
                    f"{self._ref.key}: replicas is {self._wanted} at resourceVersion {self._version}, "
                    f"not {facts.spec_replicas} at {facts.resource_version}: somebody else changed it"
                )
            self._write(replicas)

    def edit(self, replicas: int) -> None:
        """Change the count behind the daemon's back, as `kubectl scale` does."""
        with self._lock:
            self._write(replicas)

    def post_event(
        self,
        target: TargetRef,
        reason: str,
        message: str,
        kind: EventType,
        deadline_seconds: float,
    ) -> str | None:
        """Keep the Event, the last hundred of them; return why not if the target is another."""
        del deadline_seconds
        if target != self._ref:
            return str(_missing(target))
        self.events.append(Posted(self._clock(), reason, message, kind))
        return None

    def _write(self, replicas: int) -> None:
        self._wanted = replicas
        self._version += 1
        self._pods.scale_to(replicas)

    def _facts(self) -> TargetFacts:
        with self._lock:
            fleet, addresses = self._pods.numbers(), self._pods.addresses()
            return TargetFacts(
                target=self._ref.key,
                spec_replicas=self._wanted,
                resource_version=str(self._version),
                replicas=tuple(pod(replica, fleet.at) for replica in fleet.replicas),
                addresses=addresses,
                ref=self._ref,
                uid=f"sandbox-{self._ref.name}",
            )


def pod(replica: ReplicaNumbers, now: float) -> Replica:
    """Return what Kubernetes would tell of that replica: Pending, Running, Ready; terminating while it drains."""
    started = replica.life is not Life.STARTING
    pending_until = replica.created_at + _PENDING_SHARE * (replica.ready_at - replica.created_at)
    pending = not started and now < pending_until
    return Replica(
        name=replica.name,
        phase="Pending" if pending else "Running",
        ready=replica.life is Life.READY,
        created_at=replica.created_at,
        ready_changed_at=replica.ready_at if started else None,
        terminating=replica.life is Life.DRAINING,
        reason="ContainerCreating" if pending else "",
        revision=REVISION,
    )


def _missing(ref: TargetRef) -> TargetMissing:
    return TargetMissing(f"{ref.kind} {ref.key} does not exist in the sandbox")
