"""What the embedded fleet tells of itself: plain numbers, before any backend's names are put on them."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


class Life(StrEnum):
    """Where a replica stands in its life."""

    READY = "ready"
    STARTING = "starting"
    DRAINING = "draining"
    """No new requests; the ones it has are finished first."""


class HistogramNumbers(NamedTuple):
    """A Prometheus histogram of durations."""

    bounds: Sequence[float]
    """Upper bounds, ascending, in seconds, infinity last."""
    cumulative: Sequence[int]
    """Observations up to and including each bound."""
    total: float
    """Sum of all observations, in seconds."""


class ReplicaNumbers(NamedTuple):
    """One replica at one moment."""

    name: str
    life: Life
    created_at: float
    """UTC epoch seconds."""
    ready_at: float
    """When it became Ready, or will, in UTC epoch seconds."""
    waiting: int
    running: int
    kv_ratio: float
    """Of the KV cache in use, 0 to 1."""
    busy_ratio: float
    """Of the last scrape interval that a kernel was running, 0 to 1."""
    completed: int
    prompt_tokens: int
    output_tokens: int
    ttft: HistogramNumbers
    e2e: HistogramNumbers

    @property
    def used(self) -> bool:
        """Whether it ever had a request."""
        return bool(self.completed or self.running or self.waiting)


class FleetNumbers(NamedTuple):
    """The whole fleet at one moment."""

    at: float
    """UTC epoch seconds."""
    replicas: tuple[ReplicaNumbers, ...]
    held: int
    """Requests at the gateway, because no replica is ready."""
    arrived: int
    """Requests since the start."""

    def count(self, life: Life) -> int:
        """Return how many replicas are in that state."""
        return sum(replica.life is life for replica in self.replicas)

    @property
    def waiting(self) -> int:
        """Requests in the replicas' queues."""
        return sum(replica.waiting for replica in self.replicas)

    @property
    def running(self) -> int:
        """Requests being served."""
        return sum(replica.running for replica in self.replicas)
