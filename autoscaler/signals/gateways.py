"""What stands in front of a backend, and is alive at zero replicas: one query a signal for all that is behind it.

Sources: llm-d/llm-d-router `docs/metrics.md` and `pkg/epp/metrics/`, before that kubernetes-sigs/
gateway-api-inference-extension; envoyproxy/envoy `docs/root/configuration/upstream/cluster_manager/cluster_stats.rst`;
kubernetes/ingress-nginx `docs/user-guide/monitoring.md`; ai-dynamo/dynamo
`lib/runtime/src/metrics/prometheus_names.rs`.

Old and new names are joined by `or` and never added up: servers emit both for a while.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from autoscaler.engine.observation import (
    COMPLETED_REQUESTS,
    GATEWAY_REQUESTS,
    GENERATED_TOKENS,
    PENDING_REQUESTS,
    PROMPT_TOKENS,
    QUEUE_DEPTH,
    REQUEST_RATE,
    STARTED_REQUESTS,
    TOKEN_RATE,
)
from autoscaler.signals.preset import UNITS
from autoscaler.signals.query import SignalQuery

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoscaler.engine.observation import SignalRequest

WINDOW_SECONDS = 120
"""Rates and quantiles of a gateway look this far back."""
WAKE_SECONDS = 60
"""What a gateway that holds nothing turned away within this time counts as waiting: users try again."""


class Gateway(NamedTuple):
    """One gateway's queries; in their text LABEL stands for its label, and SELECT for the matchers."""

    name: str
    label: str
    """The label that tells one target's series from another's."""
    signals: Mapping[str, str]
    since: str
    needs: str = ""
    """What must be switched on, and what must be known, for a person."""


def _quantile(*names: str, scale: str = "") -> str:
    """Return the query for a quantile: QUANTILE stands for which."""
    return " or ".join(
        f"{scale}histogram_quantile(QUANTILE, sum by (le, LABEL) (rate({name}_bucket{{SELECT}}[{WINDOW_SECONDS}s])))"
        for name in names
    )


def _sum(*names: str) -> str:
    return " or ".join(f"sum by (LABEL) ({name}{{SELECT}})" for name in names)


def _rate(*names: str) -> str:
    return " or ".join(f"sum by (LABEL) (rate({name}{{SELECT}}[{WINDOW_SECONDS}s]))" for name in names)


LLM_D = Gateway(
    "llm-d",
    "inference_pool",
    {
        GATEWAY_REQUESTS: _sum("llm_d_epp_flow_control_queue_size", "inference_extension_flow_control_queue_size"),
    },
    "the router of 2026; the names of gateway-api-inference-extension are read too",
    "the feature gate flowControl, and one request through it: the series are not there before",
)
"""The endpoint picker of llm-d: holds requests while the pool is empty."""

ENVOY = Gateway(
    "envoy",
    "envoy_cluster_name",
    {
        # Without a healthy host it answers 503 at once: who was turned away lately is who waits.
        GATEWAY_REQUESTS: "sum by (LABEL) (envoy_cluster_upstream_rq_active{SELECT}) + "
        f"sum by (LABEL) (increase(envoy_cluster_upstream_cx_none_healthy{{SELECT}}[{WAKE_SECONDS}s]))",
        PENDING_REQUESTS: _sum("envoy_cluster_upstream_rq_active"),
        COMPLETED_REQUESTS: _sum("envoy_cluster_upstream_rq_completed"),
        REQUEST_RATE: _rate("envoy_cluster_upstream_rq_total"),
        "endToEnd": _quantile("envoy_cluster_upstream_rq_time", scale="0.001 * "),
    },
    "every version; retries and circuit breakers are the user's",
    "it holds no requests: the first ones at zero replicas fail, and wake the target",
)
"""Envoy, and what is made of it: Istio, Contour, Envoy Gateway."""

INGRESS_NGINX = Gateway(
    "ingress-nginx",
    "ingress",
    {
        GATEWAY_REQUESTS: f"sum by (LABEL) (increase(nginx_ingress_controller_requests{{SELECT}}[{WAKE_SECONDS}s]))",
        COMPLETED_REQUESTS: _sum("nginx_ingress_controller_requests"),
        REQUEST_RATE: _rate("nginx_ingress_controller_requests"),
        "endToEnd": _quantile("nginx_ingress_controller_request_duration_seconds"),
    },
    "every version; the project has ended",
    "it holds no requests: all that came in the last minute count as waiting",
)
"""ingress-nginx, which counts requests and knows of none that is in flight."""

DYNAMO_FRONTEND = Gateway(
    "dynamo",
    "model",
    {
        GATEWAY_REQUESTS: _sum("dynamo_frontend_queued_requests"),
        QUEUE_DEPTH: _sum("dynamo_frontend_queued_requests"),
        PENDING_REQUESTS: _sum("dynamo_frontend_active_requests", "dynamo_frontend_inflight_requests"),
        COMPLETED_REQUESTS: _sum("dynamo_frontend_requests_total"),
        STARTED_REQUESTS: _sum("dynamo_frontend_time_to_first_token_seconds_count"),
        PROMPT_TOKENS: _sum("dynamo_frontend_input_sequence_tokens_sum"),
        GENERATED_TOKENS: _sum("dynamo_frontend_output_tokens_total", "dynamo_frontend_output_sequence_tokens_sum"),
        REQUEST_RATE: _rate("dynamo_frontend_requests_total"),
        TOKEN_RATE: _rate("dynamo_frontend_output_tokens_total", "dynamo_frontend_output_sequence_tokens_sum"),
        "timeToFirstToken": _quantile("dynamo_frontend_time_to_first_token_seconds"),
        "endToEnd": _quantile("dynamo_frontend_request_duration_seconds"),
    },
    "the frontend of 2026; inflight_requests is the older name of active_requests",
    "the usual DYN_METRICS_PREFIX; waiting means for the first token, so that prefill is in it",
)
"""NVIDIA Dynamo's frontend in front of workers that are scaled."""

GATEWAYS: Mapping[str, Gateway] = MappingProxyType(
    {gateway.name: gateway for gateway in (LLM_D, ENVOY, INGRESS_NGINX, DYNAMO_FRONTEND)}
)
"""What a document's `gateway` may name."""


def gateway_query(
    gateway: Gateway, value: str, labels: Mapping[str, str], request: SignalRequest
) -> SignalQuery | None:
    """Return the query for a signal of one target at its gateway; None if the gateway does not measure it.

    `value` is that of the gateway's label, `labels` are matchers. The text is the same for all values.
    """
    text = gateway.signals.get(request.name)
    if text is None or ("QUANTILE" in text) != (request.quantile is not None):
        return None
    quantile = "" if request.quantile is None else f"{request.quantile:g}"
    select = ", ".join(f"{label}={_quoted(one)}" for label, one in sorted(labels.items()))
    # The matchers come last: what users write is not searched for words.
    text = text.replace("QUANTILE", quantile).replace("LABEL", gateway.label).replace("SELECT", select)
    return SignalQuery(text, UNITS[request.name], label=gateway.label, value=value, origin=f"gateway {gateway.name}")


def _quoted(text: str) -> str:
    """Return a text as PromQL quotes it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
