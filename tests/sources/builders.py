"""Targets and pods for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.engine.observation import SignalRequest
from autoscaler.sources import PodAddress, Target

if TYPE_CHECKING:
    from autoscaler.signals.query import SignalQuery


def request(key: str) -> SignalRequest:
    """Return the request with this key, such as `timeToFirstToken:0.99`."""
    name, _, quantile = key.partition(":")
    return SignalRequest(name, float(quantile) if quantile else None)


def pod(
    name: str,
    ip: str = "127.0.0.1",
    port: int | None = None,
    *,
    ready: bool = True,
    created_at: float = 0.0,
    node: str = "",
) -> PodAddress:
    """Return a pod's address."""
    return PodAddress(name, ip, port, ready, created_at, node)


def target(
    name: str,
    *pods: PodAddress,
    wants: str = "queueDepth",
    backend: str = "vllm",
    overrides: dict[str, SignalQuery] | None = None,
) -> Target:
    """Return a target of the namespace `ml` that wants these signals, by key, with spaces between."""
    requests = tuple(request(key) for key in wants.split())
    return Target(f"ml/{name}", "ml", backend, overrides or {}, requests, pods)
