"""What is known of one target at one moment: signals with their quality, and raw facts of its replicas."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Quality(StrEnum):
    """How far a signal's value may be believed; only `ok` is evidence for lowering anything."""

    OK = "ok"
    NO_PODS = "no_pods"
    """The target has no pod that could report: unknown, not empty."""
    EMPTY = "empty"
    """The source answered, and had no such series."""
    NAN = "nan"
    """The source answered with NaN, as a quantile without traffic does."""
    STALE = "stale"
    PARTIAL = "partial"
    """Some live pods reported and some did not; the missing ones count as zero in the value."""
    ERROR = "error"
    """The source did not answer, or not with a number."""


PENDING_REQUESTS = "pendingRequests"
"""Requests waiting or running at the backend, summed over the replicas."""
QUEUE_DEPTH = "queueDepth"
"""Requests waiting at the backend, summed over the replicas."""
RUNNING_REQUESTS = "runningRequests"
"""Requests running at the backend, summed over the replicas: what others scale by. It ends where the batch is full."""
COMPLETED_REQUESTS = "completedRequests"
"""Requests completed since the source began to watch: a counter that survives the restart of a pod."""
STARTED_REQUESTS = "startedRequests"
"""Requests whose prompt was computed, since the source began to watch; with the queue's rise, those that arrived."""
PROMPT_TOKENS = "promptTokens"
"""Prompt tokens since the source began to watch."""
GENERATED_TOKENS = "generatedTokens"
"""Generated tokens since the source began to watch."""
COUNTERS = frozenset({COMPLETED_REQUESTS, STARTED_REQUESTS, PROMPT_TOKENS, GENERATED_TOKENS})
"""Signals that only ever rise: sources add up what each pod's counter rose by, also of pods that are gone."""
GATEWAY_REQUESTS = "gatewayRequests"
"""Requests held in front of the backend: alive at zero replicas."""
REQUEST_RATE = "requestRate"
TOKEN_RATE = "tokenRate"  # noqa: S105 - tokens of text
CPU_UTILIZATION = "cpuUtilization"
"""Mean over the replicas, in percent of what they request."""
GPU_UTILIZATION = "gpuUtilization"
"""Mean over the replicas' GPUs, in percent."""
KV_CACHE_UTILIZATION = "kvCacheUtilization"
"""The fullest replica's, in percent."""
LATENCY_SIGNALS = ("timeToFirstToken", "endToEnd", "queueTime")
"""Latency histograms, in seconds; asked for with a quantile."""


class SignalRequest(NamedTuple):
    """One signal that a rule wants to see."""

    name: str
    quantile: float | None = None

    @property
    def key(self) -> str:
        """Where the answer stands in `Observation.signals`: `queueDepth`, or `timeToFirstToken:0.99`."""
        return self.name if self.quantile is None else f"{self.name}:{self.quantile:g}"


class Signal(NamedTuple):
    """One measured value, and how far it may be believed."""

    name: str
    value: float | None
    """None unless the quality is `ok` or `partial`."""
    unit: str
    """`requests`, `seconds`, `percent`, `requests/s`, `tokens/s`."""
    taken_at: float
    """When the newest sample in it was taken, in UTC epoch seconds; 0 if there is none."""
    quality: Quality
    pods: int = 0
    """Live pods that contributed."""
    missing: int = 0
    """Live, ready pods that should have contributed and did not."""
    samples: float | None = None
    """For a quantile: how many requests stand behind it."""
    detail: str = ""
    """Why the quality is what it is, for a person."""


def unknown(request: SignalRequest, quality: Quality, detail: str = "") -> Signal:
    """Return the signal that says: not known, and why."""
    return Signal(request.key, None, "", 0.0, quality, detail=detail)


class Replica(NamedTuple):
    """Raw facts of one pod, as Kubernetes tells them; nothing is judged here."""

    name: str
    phase: str
    """`Pending`, `Running`, `Succeeded`, `Failed` or `Unknown`."""
    ready: bool
    created_at: float
    """UTC epoch seconds."""
    ready_changed_at: float | None = None
    """Last transition of the Ready condition, in UTC epoch seconds; None before the first."""
    terminating: bool = False
    reason: str = ""
    """`Unschedulable`, or a container's waiting reason such as `CrashLoopBackOff` or `ImagePullBackOff`."""
    revision: str = ""
    """The pod-template-hash."""
    restarts: int = 0


class Observation(NamedTuple):
    """All that a decision may look at."""

    target: str
    """`namespace/name`."""
    spec_replicas: int
    """The count that the target asks for now."""
    replicas: tuple[Replica, ...]
    signals: Mapping[str, Signal]
    """By `SignalRequest.key`."""
    replicas_quality: Quality = Quality.OK
    """`error` when the pods could not be listed: `replicas` is then the last that was seen, or empty."""
    deployment_paused: bool = False
    other_writers: tuple[str, ...] = ()
    """HPAs and ScaledObjects found on the same target, as `Kind/name`."""
