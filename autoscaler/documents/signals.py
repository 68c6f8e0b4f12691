"""Which signals a target asks for, and where they come from: its own queries, the backend's preset, the gateway's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.engine.observation import (
    COMPLETED_REQUESTS,
    GATEWAY_REQUESTS,
    PENDING_REQUESTS,
    QUEUE_DEPTH,
    SignalRequest,
)
from autoscaler.signals.gateways import GATEWAYS, gateway_query
from autoscaler.signals.presets import BACKENDS, resolve

if TYPE_CHECKING:
    from collections.abc import Iterable

    from autoscaler.documents.autoscaler import InferenceAutoscalerSpec
    from autoscaler.engine.spec import EngineSpec
    from autoscaler.signals.query import SignalQuery

EVIDENCE = (SignalRequest(PENDING_REQUESTS), SignalRequest(COMPLETED_REQUESTS))
"""What proves idleness, and that a stream is stuck: asked for whatever the rules are."""
SIGNS = (SignalRequest(QUEUE_DEPTH), SignalRequest(PENDING_REQUESTS))
"""The signs of load, of which a guard takes either."""


def wanted(spec: EngineSpec, *, waking: bool) -> tuple[SignalRequest, ...]:
    """Return what the rules, the idle timer and the wake signal need, each once."""
    requests = [request for rule in spec.rules for request in rule.needs]
    requests += EVIDENCE
    if spec.scale_to_zero is not None or waking:
        requests.append(SignalRequest(GATEWAY_REQUESTS))
    return tuple(dict.fromkeys(requests))


def overrides(spec: InferenceAutoscalerSpec, requests: Iterable[SignalRequest]) -> dict[str, SignalQuery]:
    """Return the queries that stand before the preset: the document's own, and those of its gateway.

    A gateway's are by the requests' keys, for a quantile stands in the query.
    """
    own = {name: source.compiled() for name, source in spec.signals.items()}
    if spec.gateway is None:
        return own
    gateway = GATEWAYS[spec.gateway.preset]
    found = {}
    for request in requests:
        taken = request.name in own or request.key in own or resolve(spec.backend, request.name) is not None
        query = None if taken else gateway_query(gateway, spec.gateway.name, spec.gateway.labels, request)
        if query is not None:
            found[request.key] = query
    return own | found


def measured(spec: InferenceAutoscalerSpec, request: SignalRequest) -> bool:
    """Return whether anything that the document names measures the signal."""
    at_gateway = () if spec.gateway is None else GATEWAYS[spec.gateway.preset].signals
    own = request.name in spec.signals or request.key in spec.signals
    return own or request.name in at_gateway or resolve(spec.backend, request.name) is not None


def measurable(spec: InferenceAutoscalerSpec) -> frozenset[str]:
    """Return the signals that the backend's preset and the gateway measure."""
    at_gateway = () if spec.gateway is None else GATEWAYS[spec.gateway.preset].signals
    return frozenset({*BACKENDS[spec.backend].signals, *at_gateway})


def wakes(spec: InferenceAutoscalerSpec) -> bool:
    """Return whether a wake signal is wanted, whatever the policy says."""
    return spec.gateway is not None or GATEWAY_REQUESTS in spec.signals
