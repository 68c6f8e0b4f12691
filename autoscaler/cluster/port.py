"""What the daemon asks of a cluster: the seam that Kubernetes and the sandbox both fill."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from autoscaler.cluster.facts import TargetFacts, TargetRef
    from autoscaler.errors import ClusterError


class EventType(StrEnum):
    """How an Event is marked."""

    NORMAL = "Normal"
    WARNING = "Warning"


class Cluster(Protocol):
    """Reads targets, writes their counts, and posts Events; every call ends within its deadline."""

    def observe(
        self, targets: Sequence[TargetRef], deadline_seconds: float
    ) -> Mapping[str, TargetFacts | ClusterError]:
        """Return the facts of each target by `namespace/name`, or the error that stood in the way.

        A target that does not exist is a `TargetMissing`. One that cannot be read delays no other.
        """

    def scale(self, facts: TargetFacts, replicas: int, deadline_seconds: float) -> None:
        """Write the count, unless the target's count is no longer the one in `facts`.

        Raises:
            ConflictError: the count or the object changed meanwhile; nothing was written.
            TargetMissing: the target is gone.
            ClusterError: the API server refused or did not answer; after a cut connection or a timeout the write
                may have happened all the same, and the next observation tells.
        """

    def post_event(
        self,
        target: TargetRef,
        reason: str,
        message: str,
        kind: EventType,
        deadline_seconds: float,
    ) -> str | None:
        """Post an Event about the target; return None, or why it could not be posted. Never raises."""
