"""What a peer may read out of an observation: pods, and signals as upstream's own monitoring would give them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.engine.observation import (
    COMPLETED_REQUESTS,
    GATEWAY_REQUESTS,
    GPU_UTILIZATION,
    KV_CACHE_UTILIZATION,
    LATENCY_SIGNALS,
    PENDING_REQUESTS,
    Quality,
    SignalRequest,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from autoscaler.engine.observation import Observation, Replica, Signal

IN_FLIGHT = (SignalRequest(PENDING_REQUESTS), SignalRequest(GATEWAY_REQUESTS))
"""Whoever counts requests in front of the replicas sees those that it holds and those that it has handed on."""
TRAFFIC = (*IN_FLIGHT, SignalRequest(COMPLETED_REQUESTS))
"""What shows that nobody asks for anything."""
MEANS = (GPU_UTILIZATION, "cpuUtilization")
"""Signals that are a mean over the replicas, missing ones counted as 0."""
WHOLES = (KV_CACHE_UTILIZATION, *LATENCY_SIGNALS)
"""Signals that are one number for the target, neither a sum nor a mean."""
_GONE = ("Succeeded", "Failed")


def request_of(key: str) -> SignalRequest:
    """Return the request that a key stands for: `timeToFirstToken:0.99` asks for a quantile."""
    name, colon, quantile = key.partition(":")
    return SignalRequest(name, float(quantile)) if colon else SignalRequest(name)


def requests_of(keys: Iterable[str]) -> tuple[SignalRequest, ...]:
    """Return the requests for the keys, each once."""
    return tuple(dict.fromkeys(map(request_of, keys)))


def live(observation: Observation) -> tuple[Replica, ...]:
    """Return the replicas that have neither ended nor been told to."""
    return tuple(pod for pod in observation.replicas if not pod.terminating and pod.phase not in _GONE)


def ready_count(observation: Observation) -> int:
    """Return how many live replicas are Ready."""
    return sum(pod.ready for pod in live(observation))


def known(signal: Signal | None) -> float | None:
    """Return the value of a signal that has one, whole or in part."""
    if signal is None or signal.quality not in (Quality.OK, Quality.PARTIAL):
        return None
    return signal.value


def is_absent(signal: Signal | None) -> bool:
    """Return whether a query would answer, without an error, that there is no such series."""
    return signal is not None and signal.quality in (Quality.EMPTY, Quality.NO_PODS, Quality.STALE)


def per_replica_mean(signal: Signal) -> float | None:
    """Return the mean over the replicas that reported; None if none did."""
    value = known(signal)
    if value is None or not signal.pods:
        return None
    name = signal.name.partition(":")[0]
    if name in WHOLES:
        return value
    if name in MEANS:
        return value * (signal.pods + signal.missing) / signal.pods
    return value / signal.pods


def extrapolated(signal: Signal | None) -> float | None:
    """Return a sum as if those that did not report were like those that did; None if it is not known."""
    value = known(signal)
    if signal is None or value is None:
        return None
    return value * (signal.pods + signal.missing) / signal.pods if signal.pods else value


def in_flight(observation: Observation) -> float | None:
    """Return the requests held in front of the replicas and handed on to them; None if that is not known.

    Without a ready replica, what is held in front is all there is.
    """
    held = known(observation.signals.get(GATEWAY_REQUESTS))
    at_replicas = observation.signals.get(PENDING_REQUESTS)
    pending = extrapolated(at_replicas)
    if pending is None:
        without_replicas = at_replicas is not None and at_replicas.quality in (Quality.NO_PODS, Quality.EMPTY)
        return held if without_replicas else None
    return pending + (held or 0.0)
