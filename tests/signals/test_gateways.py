"""The gateways' queries, as text."""

from __future__ import annotations

import re

import pytest

from autoscaler.engine.observation import LATENCY_SIGNALS, SignalRequest
from autoscaler.signals.gateways import ENVOY, GATEWAYS, INGRESS_NGINX, LLM_D, Gateway, gateway_query
from autoscaler.signals.preset import UNITS


def requests_of(gateway: Gateway) -> list[SignalRequest]:
    """Return a request for each signal that the gateway measures."""
    return [SignalRequest(name, 0.9 if name in LATENCY_SIGNALS else None) for name in gateway.signals]


@pytest.mark.parametrize("gateway", GATEWAYS.values(), ids=GATEWAYS)
def test_every_selector_names_the_target(gateway: Gateway) -> None:
    """Sums are by pool, cluster, ingress or model, of which one is picked; no word of the templates is left."""
    for request in requests_of(gateway):
        query = gateway_query(gateway, "mine", {"zone": "a"}, request)
        assert query is not None
        assert query.unit == UNITS[request.name]
        selectors = re.findall(r"\{([^}]*)\}", query.query)
        assert set(selectors) == {'zone="a"'}
        assert set(re.findall(r"by \(([^)]*)\)", query.query)) <= {gateway.label, f"le, {gateway.label}"}
        assert (query.label, query.value) == (gateway.label, "mine")
        assert not re.search(r"[A-Z]{4}", query.query)
        assert "vector" not in query.query


@pytest.mark.parametrize("gateway", GATEWAYS.values(), ids=GATEWAYS)
def test_every_gateway_wakes_and_says_what_it_needs(gateway: Gateway) -> None:
    """The wake signal is what a gateway is for."""
    assert "gatewayRequests" in gateway.signals
    assert gateway.since
    assert gateway.needs


def test_old_and_new_names_are_never_added_up() -> None:
    """The endpoint picker shows both for a while."""
    query = gateway_query(LLM_D, "p", {}, SignalRequest("gatewayRequests"))
    assert query is not None
    assert query.query == (
        "sum by (inference_pool) (llm_d_epp_flow_control_queue_size{})"
        " or sum by (inference_pool) (inference_extension_flow_control_queue_size{})"
    )


def test_envoys_milliseconds_become_seconds() -> None:
    """And only they."""
    query = gateway_query(ENVOY, "c", {}, SignalRequest("endToEnd", 0.95))
    assert query is not None
    assert query.query == (
        "0.001 * histogram_quantile(0.95, sum by (le, envoy_cluster_name) "
        "(rate(envoy_cluster_upstream_rq_time_bucket{}[120s])))"
    )
    nginx = gateway_query(INGRESS_NGINX, "i", {}, SignalRequest("endToEnd", 0.95))
    assert nginx is not None
    assert nginx.query.startswith("histogram_quantile(0.95, ")


def test_what_a_gateway_does_not_measure_is_nothing() -> None:
    """Nor a latency without its quantile."""
    assert gateway_query(LLM_D, "p", {}, SignalRequest("endToEnd", 0.9)) is None
    assert gateway_query(ENVOY, "c", {}, SignalRequest("endToEnd")) is None
    assert gateway_query(ENVOY, "c", {}, SignalRequest("requestRate", 0.9)) is None


def test_a_label_cannot_leave_its_quotes() -> None:
    """Whatever users write, also the templates' own words."""
    labels = {"zone": 'a"} or vector(1) #\\\n SELECT LABEL'}
    query = gateway_query(LLM_D, "p", labels, SignalRequest("gatewayRequests"))
    assert query is not None
    quoted = '"a\\"} or vector(1) #\\\\\\n SELECT LABEL"'
    first = query.query.split(" or sum by")[0]
    assert first == f"sum by (inference_pool) (llm_d_epp_flow_control_queue_size{{zone={quoted}}})"


def test_one_query_serves_all_targets_behind_a_gateway() -> None:
    """The text does not depend on the target, so that Prometheus is asked once."""
    texts = {gateway_query(ENVOY, name, {}, SignalRequest("gatewayRequests")).query for name in ("a", "b")}  # type: ignore[union-attr]
    assert len(texts) == 1
