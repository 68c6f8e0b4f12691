from __future__ import annotations

import pytest

from autoscaler.documents.compile import compile_all
from autoscaler.documents.lint import (
    BLIND_CAPACITY,
    ONLY_GUARDS,
    ONLY_QUEUE,
    ONLY_RATES,
    SIZED_BY_GPU,
    SIZED_BY_LATENCY,
    TWO_SCHEDULES,
    rule_warnings,
    source_warnings,
    warnings,
)
from autoscaler.documents.load import load
from autoscaler.documents.policy import ScalingPolicySpec
from tests.documents.texts import AUTOSCALER, POLICY, changed

PENDING = {"type": "pendingRequests", "targetPerReplica": 24}
QUEUE = {"type": "queueDepth", "targetPerReplica": 4}
LATENCY = {"type": "latency", "signal": "endToEnd", "objectiveSeconds": 2}
GPU_GUARD = {"type": "gpuUtilization", "targetPercent": 80}
GPU_SIZE = {**GPU_GUARD, "role": "size"}
STEPS = {"type": "threshold", "signal": "kvCacheUtilization", "above": 90}
RATE = {"type": "requestRate", "targetPerReplica": 2}
TOKENS = {"type": "tokenRate", "targetPerReplica": 900}
TRACKED = {"type": "targetTracking", "signal": "mine", "form": "Value", "target": 5}
SLOW = {**TRACKED, "signal": "endToEnd", "quantile": 0.9}
HOURS = {"type": "schedule", "windows": [{"start": "0 8 * * *", "end": "0 18 * * *", "minReplicas": 2}]}


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([RATE, TOKENS], (ONLY_RATES,)),
        ([RATE, TOKENS, QUEUE], ()),
        ([TRACKED, HOURS], ()),
        ([SLOW], (SIZED_BY_LATENCY,)),
        ([HOURS], (ONLY_GUARDS,)),
        ([PENDING, HOURS, {**HOURS, "name": "more"}], (TWO_SCHEDULES,)),
        ([PENDING], ()),
        ([PENDING, QUEUE, LATENCY, GPU_GUARD], ()),
        ([STEPS], ()),
        ([QUEUE], (ONLY_QUEUE,)),
        ([QUEUE, LATENCY, GPU_GUARD], (ONLY_QUEUE,)),
        ([QUEUE, {**QUEUE, "name": "another"}], (ONLY_QUEUE,)),
        ([QUEUE, STEPS], ()),
        ([LATENCY], (ONLY_GUARDS,)),
        ([LATENCY, GPU_GUARD], (ONLY_GUARDS,)),
        ([GPU_SIZE], (SIZED_BY_GPU,)),
        ([PENDING, GPU_SIZE], (SIZED_BY_GPU,)),
    ],
    ids=lambda value: "+".join(rule["type"] for rule in value) if isinstance(value, list) else "",
)
def test_what_looks_like_a_mistake_in_the_rules(rules, expected):
    """A queue alone, guards alone, and sizing by GPU are told; nothing else is."""
    policy = ScalingPolicySpec.model_validate({"rules": rules})
    assert rule_warnings(policy.compiled_rules) == expected


@pytest.mark.parametrize(
    ("own", "by_prometheus", "by_scraping"),
    [
        ("{query: up}", (), ("signals.gatewayRequests has no `url` and `metric`: the source scrape cannot read it",)),
        (
            "{url: 'http://g', metric: m}",
            ("signals.gatewayRequests has no `query`: the source prometheus cannot read it",),
            (),
        ),
        ("{query: up, url: 'http://g', metric: m}", (), ()),
    ],
    ids=["query", "url", "both"],
)
def test_a_signal_that_the_source_cannot_read_is_told(file, own, by_prometheus, by_scraping):
    """It would be unknown for ever: never to zero, and up every time after two minutes blind."""
    query = "{query: 'sum(llm_d_epp_flow_control_queue_size{inference_pool=\"llama-8b\"})'}"
    (target,) = compile_all(load([file(f"{changed(AUTOSCALER, (query, own))}---\n{POLICY}")]))
    assert source_warnings(target, scraping=False) == by_prometheus
    assert source_warnings(target, scraping=True) == by_scraping


@pytest.mark.parametrize(("idle", "warned"), [(299, True), (300, False)])
def test_sleeping_sooner_than_waking_is_told(file, idle, warned):
    """An idle time shorter than a start-up of 300 s."""
    policy = changed(POLICY, ("idleAfterSeconds: 900", f"idleAfterSeconds: {idle}"))
    (target,) = compile_all(load([file(f"{AUTOSCALER}---\n{policy}")]))
    says = "idleAfterSeconds (299) is shorter than a start-up (300 s): it sleeps sooner than it wakes"
    assert warnings(target) == ((says,) if warned else ())


TIMES = "{baseMs: 6, promptTokenMs: 0.02, sequenceMs: 0.004, contextTokenMs: 0.00005}"


@pytest.mark.parametrize(
    ("replica", "rule", "warned"),
    [
        ("", "{type: capacity}", True),
        ("  replica: {preset: l4-llama-3.1-8b}\n", "{type: capacity}", False),
        (f"  replica: {{iteration: {TIMES}}}\n", "{type: capacity}", False),
        ("", "{type: capacity, preset: l4-llama-3.1-8b}", False),
        ("", f"{{type: capacity, iteration: {TIMES}}}", False),
    ],
    ids=["nobody says", "preset", "iteration", "the rule's own preset", "the rule's own iteration"],
)
def test_sizing_by_what_a_replica_can_do_without_knowing_it_is_told(file, replica, rule, warned):
    """The rule capacity falls back to requests in flight: one line says so, and what would help."""
    policy = changed(POLICY, ("{type: queueDepth, targetPerReplica: 4}", rule))
    (target,) = compile_all(load([file(f"{AUTOSCALER}{replica}---\n{policy}")]))
    assert warnings(target) == ((BLIND_CAPACITY.format(name="capacity"),) if warned else ())


@pytest.mark.parametrize(("scraping", "told"), [(True, 1), (False, 0)])
def test_what_only_prometheus_has_is_told_to_who_scrapes(file, scraping, told):
    """No page of a pod shows its CPU against its request."""
    policy = changed(POLICY, ("{type: queueDepth, targetPerReplica: 4}", "{type: cpuUtilization, targetPercent: 70}"))
    text = changed(AUTOSCALER, ("{query: 'sum(llm_d_epp_flow_control_queue_size{inference_pool=\"llama-8b\"})'}",
                                "{query: up, url: 'http://g', metric: m}"))  # fmt: skip
    (target,) = compile_all(load([file(f"{text}---\n{policy}")]))
    found = source_warnings(target, scraping=scraping)
    assert len(found) == told
    assert all("cpuUtilization is cAdvisor's" in one for one in found)
