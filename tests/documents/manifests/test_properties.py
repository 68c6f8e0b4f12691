"""Whatever the API server would take: what it becomes is a document that loads, and nothing is dropped in silence."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.documents.compile import compile_all
from autoscaler.documents.load import load
from autoscaler.documents.manifests.as_peer import as_peer
from autoscaler.documents.manifests.convert import convert
from autoscaler.documents.manifests.read import read_manifests
from autoscaler.documents.parse import parse
from autoscaler.engine.state import State
from autoscaler.errors import DocumentError
from autoscaler.peers.base import PeerDecider
from tests.peers.builders import NOW, observation

COUNTS = st.integers(1, 40)
LABELS = st.dictionaries(st.sampled_from(["a", "app.kubernetes.io/name", "queue"]), st.text(max_size=5), max_size=2)
NAMED = (
    *("vllm:num_requests_waiting", "vllm_num_requests_running", "tgi_queue_size", "DCGM_FI_DEV_GPU_UTIL", "my/queue"),
    *("vllm:gpu_cache_usage_perc", "queueDepth", "9lives", "x" * 70),
)
NAMES = st.sampled_from(NAMED) | st.text(min_size=1, max_size=12)
ASKED = (
    *("sum(vllm:num_requests_waiting)", "avg(vllm:kv_cache_usage_perc)", "sum(q) or vector(0)", "sum(\n  a\n) # c"),
    *("avg(DCGM_FI_DEV_GPU_UTIL)", "sum(rate(vllm:request_success_total[1m]))"),
    "histogram_quantile(0.99, sum by (le) (rate(vllm:e2e_request_latency_seconds_bucket[5m])))",
)
QUERIES = st.sampled_from(ASKED) | st.text(min_size=1, max_size=30).filter(str.strip)
AMOUNTS = st.sampled_from(["10", "500m", 3, 0.5, "1k", "2Gi"])
RULES = st.fixed_dictionaries(
    {},
    optional={
        "stabilizationWindowSeconds": st.integers(0, 3600),
        "selectPolicy": st.sampled_from(["Max", "Min", "Disabled"]),
        "tolerance": st.sampled_from(["50m", 0.2]),
        "policies": st.lists(
            st.fixed_dictionaries(
                {"type": st.sampled_from(["Pods", "Percent"]), "value": COUNTS, "periodSeconds": st.integers(1, 1800)}
            ),
            min_size=1,
            max_size=2,
        ),
    },
)
BEHAVIOR = st.fixed_dictionaries({}, optional={"scaleUp": RULES, "scaleDown": RULES})
TARGETS = st.one_of(
    st.builds(lambda amount: {"type": "Value", "value": amount}, AMOUNTS),
    st.builds(lambda amount: {"type": "AverageValue", "averageValue": amount}, AMOUNTS),
)
PER_POD = st.builds(lambda amount: {"type": "AverageValue", "averageValue": amount}, AMOUNTS)
UTILIZATION = st.builds(lambda percent: {"type": "Utilization", "averageUtilization": percent}, st.integers(1, 150))
IDENTIFIER = st.builds(lambda name, labels: {"name": name, "selector": {"matchLabels": labels}}, NAMES, LABELS)


def metric(kind: str, **parts: st.SearchStrategy) -> st.SearchStrategy:
    """Return metrics of one type."""
    section = kind[0].lower() + kind[1:]
    return st.fixed_dictionaries(parts).map(lambda source: {"type": kind, section: source})


METRICS = st.one_of(
    metric("Pods", metric=IDENTIFIER, target=PER_POD),
    metric("External", metric=IDENTIFIER, target=TARGETS),
    metric("Object", metric=IDENTIFIER, target=TARGETS, describedObject=st.just({"kind": "Ingress", "name": "front"})),
    metric("Resource", name=st.sampled_from(["cpu", "memory"]), target=UTILIZATION | PER_POD),
    metric("ContainerResource", name=st.just("cpu"), container=st.just("c"), target=UTILIZATION),
)
NUMBERS = st.sampled_from(["5", "0.25", "100", "1e3"])
TRIGGERS = st.one_of(
    st.builds(
        lambda query, threshold, activation, kind, name: {
            "type": "prometheus",
            "name": name,
            "metricType": kind,
            "metadata": {"query": query, "threshold": threshold, "activationThreshold": activation},
        },
        QUERIES,
        NUMBERS,
        st.sampled_from(["0", "2", "-1"]),
        st.sampled_from(["AverageValue", "Value", None]),
        st.sampled_from(["", "front", "pendingRequests"]),
    ),
    st.builds(
        lambda start, zone, count: {
            "type": "cron",
            "metadata": {"timezone": zone, "start": start, "end": "0 18 * * *", "desiredReplicas": str(count)},
        },
        st.sampled_from(["0 8 * * 1-5", "0 18 * * *", "@daily", "0 0 31 2 *"]),
        st.sampled_from(["UTC", "Europe/Berlin", "Nowhere/Land"]),
        st.integers(0, 60),
    ),
    st.sampled_from(
        [
            {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "60"}},
            {"type": "kafka", "metadata": {"a": "b"}},
        ]
    ),
)


def manifest(kind: str, version: str, spec: st.SearchStrategy) -> st.SearchStrategy:
    """Return whole manifests of a kind."""
    frame = {"apiVersion": version, "kind": kind, "metadata": {"name": "a", "namespace": "n", "labels": {"b": "c"}}}
    return spec.map(lambda fields: {**frame, "spec": fields})


HPAS = manifest(
    "HorizontalPodAutoscaler",
    "autoscaling/v2",
    st.fixed_dictionaries(
        {
            "scaleTargetRef": st.just({"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}),
            "maxReplicas": COUNTS,
        },
        optional={
            "minReplicas": st.integers(0, 1),
            "metrics": st.lists(METRICS, min_size=1, max_size=4),
            "behavior": BEHAVIOR,
        },
    ),
)
SCALED_OBJECTS = manifest(
    "ScaledObject",
    "keda.sh/v1alpha1",
    st.fixed_dictionaries(
        {"scaleTargetRef": st.just({"name": "d"}), "triggers": st.lists(TRIGGERS, min_size=1, max_size=4)},
        optional={
            "minReplicaCount": st.integers(0, 3),
            "maxReplicaCount": st.integers(3, 60),
            "pollingInterval": st.integers(1, 60),
            "cooldownPeriod": st.integers(0, 900),
            "initialCooldownPeriod": st.integers(0, 900),
            "fallback": st.fixed_dictionaries({"failureThreshold": st.integers(0, 5), "replicas": st.integers(0, 80)}),
            "advanced": st.fixed_dictionaries(
                {"horizontalPodAutoscalerConfig": st.builds(lambda b: {"behavior": b}, BEHAVIOR)}
            ),
        },
    ),
)


def raws(document: dict) -> tuple:
    """Return a manifest as it is read from a file."""
    return parse(json.dumps(document), "m.json")


def attempt(make, document):
    """Return what is made of a manifest, and None; or None, and why it is refused."""
    try:
        return make(document), None
    except DocumentError as error:
        return None, error


@settings(max_examples=40, deadline=None)
@given(HPAS | SCALED_OBJECTS)
def test_what_a_manifest_becomes_passes_check(document):
    """It loads and compiles, or nothing of it could be carried over and the message says why."""
    found, refused = attempt(convert, raws(document))
    if refused is not None:
        assert "nothing of it can be carried over" in str(refused)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "out.yaml"
        path.write_text(found.text, encoding="utf-8")
        (target,) = compile_all(load([path]))
    assert target.key == "n/d"


SILENT = {"scaleTargetRef", "minReplicas", "maxReplicas", "metrics", "triggers", "behavior", "advanced"}
COUNTERPARTS = {
    "minReplicaCount": "minReplicas:",
    "maxReplicaCount": "maxReplicas:",
    "cooldownPeriod": "idleAfterSeconds:",
}


@settings(max_examples=40, deadline=None)
@given(HPAS | SCALED_OBJECTS)
def test_nothing_is_dropped_in_silence(document):
    """Each metric and trigger is a rule with its place as a comment, or told; so is each other field."""
    found, refused = attempt(convert, raws(document))
    text = str(refused) if found is None else found.text
    spec = document["spec"]
    for word in ("metrics", "triggers"):
        for number in range(len(spec.get(word, ()))):
            assert f"spec.{word}[{number}]" in text
    for field in set(spec) - SILENT if found is not None else ():
        void = field == "initialCooldownPeriod" and not spec[field]
        assert void or f"spec.{field}" in text or COUNTERPARTS.get(field, "no counterpart") in text
    if found is not None and spec.get("behavior"):
        assert [*yaml.safe_load_all(found.text)][1]["spec"]["behavior"] == spec["behavior"]


@settings(max_examples=40, deadline=None)
@given(HPAS | SCALED_OBJECTS)
def test_a_manifest_is_a_peer_that_decides_or_is_refused_by_name(document):
    """The simulator's peer takes every manifest whole, or names the place that it cannot show."""
    (read,) = read_manifests(raws(document)).manifests
    found, refused = attempt(as_peer, read)
    if refused is not None:
        assert all(problem.path.startswith("spec") for problem in refused.problems)
        return
    decision, _ = PeerDecider(found.parameters).decide(observation(1, {}), State(), NOW)
    assert 0 <= decision.replicas <= found.parameters.max_replicas
