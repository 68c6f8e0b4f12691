"""Which peer a name means: kinds with their parameters, and ready-made ones under the names of policies."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from pydantic import ValidationError

from autoscaler.engine.observation import GPU_UTILIZATION, PENDING_REQUESTS, QUEUE_DEPTH
from autoscaler.errors import UsageError
from autoscaler.peers.aibrix import Aibrix
from autoscaler.peers.base import PeerDecider
from autoscaler.peers.fixed import Fixed
from autoscaler.peers.hand_written import LatencyDoubling, QueueSteps
from autoscaler.peers.hpa import Hpa, HpaMetric, MetricType
from autoscaler.peers.huggingface import HuggingFace
from autoscaler.peers.keda import Keda
from autoscaler.peers.knative import Knative
from autoscaler.peers.ray_serve import RayServe

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from autoscaler.engine.observation import SignalRequest
    from autoscaler.peers.base import PeerModel

KINDS: Mapping[str, type[PeerModel]] = MappingProxyType(
    {
        "hpa": Hpa,
        "keda": Keda,
        "knative": Knative,
        "rayServe": RayServe,
        "huggingFace": HuggingFace,
        "aibrix": Aibrix,
        "queueSteps": QueueSteps,
        "latencyDoubling": LatencyDoubling,
        "fixed": Fixed,
    }
)
"""Every peer's parameters, by kind."""


def _hpa(signal: str, average_value: float) -> Hpa:
    return Hpa(metrics=(HpaMetric(type=MetricType.PODS, signals=(signal,), average_value=average_value),))


READY_MADE: Mapping[str, PeerModel] = MappingProxyType(
    {
        "hpa-gpu-utilization": _hpa(GPU_UTILIZATION, 80.0),
        "hpa-queue-depth": _hpa(QUEUE_DEPTH, 10.0),
        "hpa-pending-requests": _hpa(PENDING_REQUESTS, 10.0),
        "keda-queue": Keda(),
        "knative": Knative(),
        "ray-serve": RayServe(),
        "huggingface-endpoints": HuggingFace(),
        "huggingface-endpoints-pending": HuggingFace(metric="pendingRequests"),
        "aibrix-apa": Aibrix(),
        "queue-steps": QueueSteps(),
        "latency-doubling": LatencyDoubling(),
    }
)
"""Peers as people run them: their own defaults, or the setting that is found everywhere where there is none."""


class Peer(NamedTuple):
    """A peer, ready to decide for one target."""

    name: str
    decider: PeerDecider
    requests: tuple[SignalRequest, ...]
    """The signals that it wants to see."""
    interval_seconds: float
    """How often upstream looks; called sooner it holds, called later it sees and acts less often."""
    samples_every_seconds: float | None
    """How often upstream samples the replicas itself; None if it reads somebody else's monitoring."""
    follows: str
    """The upstream version."""


def peer(name: str, parameters: PeerModel, min_replicas: int, max_replicas: int) -> Peer:
    """Return the peer under `name`, within these bounds where its parameters do not name their own.

    Raises:
        UsageError: its own bound and the given one contradict each other.
    """
    try:
        bounded = parameters.within(min_replicas, max_replicas)
    except ValidationError as error:
        raise _refused(error, f"{name} within [{min_replicas}, {max_replicas}]") from error
    pace = (bounded.interval_seconds, bounded.samples_every_seconds)
    return Peer(name, PeerDecider(bounded), bounded.requests, *pace, bounded.follows)


def parameters_of(kind: str, fields: Mapping[str, Any], source: str) -> PeerModel:
    """Return the parameters of a kind from plain values; `source` says where they stand, for the message.

    Raises:
        UsageError: there is no such kind, or a parameter is wrong.
    """
    model = KINDS.get(kind)
    if model is None:
        raise UsageError(f"{source}: the peer {kind!r} must be one of {', '.join(KINDS)}")
    try:
        return model.model_validate(dict(fields))
    except ValidationError as error:
        raise _refused(error, source) from error


def _refused(error: ValidationError, source: str) -> UsageError:
    problems = (
        ".".join(map(str, problem["loc"])) + f": {problem['msg']} (found {problem['input']!r})"
        for problem in error.errors()
    )
    return UsageError(f"{source}: {'; '.join(problem.removeprefix(': ') for problem in problems)}")
