from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import yaml

from autoscaler.documents.compile import compile_all
from autoscaler.documents.load import load
from autoscaler.documents.manifests.convert import convert
from autoscaler.documents.parse import parse
from autoscaler.errors import DocumentError
from tests.documents.manifests.texts import HPA, SCALED_OBJECT, cron, external, hpa, pods, prometheus, scaled_object

CPU = "{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}"
KV = "avg(vllm:kv_cache_usage_perc)"


class Result(NamedTuple):
    spec: dict[str, Any]
    policy: dict[str, Any]
    notes: str
    text: str


def converted(text: str) -> Result:
    """Convert one manifest, and read what came out."""
    found = convert(parse(text, "m.yaml"))
    autoscaler, policy = yaml.safe_load_all(found.text)
    return Result(autoscaler["spec"], policy["spec"], "\n".join(found.notes), found.text)


def test_an_hpa_becomes_a_document_and_a_policy(tmp_path):
    """Target, bounds and metric have their counterparts, `behavior` is pasted, and `check`'s loader takes both."""
    spec, policy, notes, text = converted(HPA)
    assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llama-8b"}
    assert (spec["minReplicas"], spec["maxReplicas"], spec["mode"], spec["backend"]) == (2, 9, "DryRun", "vllm")
    assert policy["rules"] == [{"type": "queueDepth", "targetPerReplica": 10}]
    assert policy["behavior"] == yaml.safe_load(HPA)["spec"]["behavior"]
    assert "m.yaml:2: HorizontalPodAutoscaler inference/llama-8b: spec.metrics[0]: sized by the total" in notes
    (tmp_path / "out.yaml").write_text(text)
    (target,) = compile_all(load([tmp_path / "out.yaml"]))
    assert (target.key, target.spec.scale_down.stabilization_window_seconds) == ("inference/llama-8b", 120.0)


def test_every_note_is_a_comment_too():
    """What is said on standard error stands in the file as well, for whoever reads it later."""
    found = converted(scaled_object(prometheus("sum(tgi_queue_size) or vector(0)"), "{type: kafka}"))
    comments = " ".join(line.removeprefix("#").strip() for line in found.text.splitlines() if line.startswith("#"))
    for note in found.notes.splitlines():
        assert note.split("ScaledObject inference/llama-8b: ")[1] in comments


@pytest.mark.parametrize(
    ("metric", "rule"),
    [
        (pods("vllm_num_requests_running", "24"), {"type": "pendingRequests", "targetPerReplica": 24}),
        (pods("tgi_queue_size", "2500m"), {"type": "queueDepth", "targetPerReplica": 2.5}),
        (pods("DCGM_FI_DEV_GPU_UTIL", "80"), {"type": "gpuUtilization", "role": "size", "targetPercent": 80}),
        (external("vllm:num_requests_waiting"), {"type": "queueDepth", "targetPerReplica": 5}),
        (
            external("vllm:num_requests_waiting", "{type: Value, value: 50}"),
            {"type": "targetTracking", "name": "queueDepth", "signal": "queueDepth", "form": "Value", "target": 50},
        ),
        (
            pods("vllm:gpu_cache_usage_perc", "800m"),
            {
                "type": "targetTracking",
                "name": "kvCacheUtilization",
                "signal": "kvCacheUtilization",
                "form": "Value",
                "target": 80,
            },
        ),
        (CPU, {"type": "cpuUtilization", "targetPercent": 70}),
    ],
)
def test_known_metrics_become_rules(metric, rule):
    """A metric of a backend's own is read through the preset, per replica or as a ratio, in the signal's unit."""
    spec, policy, _, _ = converted(hpa(metric))
    assert policy["rules"] == [rule]
    assert "signals" not in spec


@pytest.mark.parametrize(
    ("metric", "query", "form", "target"),
    [
        (external("my/queue"), 'sum({__name__="my/queue"})', "AverageValue", 5),
        (external("queue", "{type: Value, value: 1k}"), "sum(queue)", "Value", 1000),
        (pods("in_flight"), 'sum(in_flight{namespace="inference"})', "AverageValue", 10),
        (
            external("q, selector: {matchLabels: {app.kubernetes.io/name: a}}").replace('"', ""),
            'sum(q{_app_kubernetes_io_name="a"})',
            "AverageValue",
            5,
        ),
        (
            external("rps", "{type: Value, value: 100}").replace(
                "External, external: {", "Object, object: {describedObject: {kind: Service, name: front}, "
            ),
            'sum(rps{namespace="inference",service="front"})',
            "Value",
            100,
        ),
    ],
)
def test_other_metrics_become_queries(metric, query, form, target):
    """What no preset has is tracked by a query of the document's own, which the notes ask to check."""
    spec, policy, notes, _ = converted(hpa(metric))
    (rule,) = policy["rules"]
    assert spec["signals"][rule["signal"]] == {"query": query}
    assert (rule["type"], rule["form"], rule["target"]) == ("targetTracking", form, target)
    assert f"check that the query is what was meant: {query}" in notes
    assert "no metric tells the backend" in notes


def test_rules_of_one_name_get_a_number():
    """A second rule of a type, or of a signal, has a name of its own, and a query that comes twice is one signal."""
    metrics = [external("q"), external("q"), *[pods("vllm:num_requests_waiting")] * 2, pods("queueDepth")]
    spec, policy, _, _ = converted(hpa(*metrics))
    names = [rule.get("name", rule["type"]) for rule in policy["rules"]]
    assert names == ["q", "q2", "queueDepth", "queueDepth2", "queueDepth2_2"]
    assert list(spec["signals"]) == ["q", "queueDepth2"]


def test_what_an_hpa_has_and_we_do_not_is_told():
    """Memory, containers, selectors' expressions and unknown fields are told; what the API server writes is not."""
    text = hpa(
        "{type: Resource, resource: {name: memory, target: {type: AverageValue, averageValue: 2Gi}}}",
        "{type: ContainerResource, containerResource: {name: cpu, container: web,"
        " target: {type: Utilization, averageUtilization: 60}}}",
        "{type: External, external: {metric: {name: q, selector: {matchExpressions: [{key: a, operator: Exists}]}},"
        " target: {type: Value, value: 1, surprise: 2}}}",
    )
    text = text.replace("namespace: inference", "namespace: inference, uid: u, finalizers: [x]")
    text = text.replace("  maxReplicas", "  novelty: 1\n  maxReplicas")
    _, policy, notes, _ = converted(text)
    assert [rule["type"] for rule in policy["rules"]] == ["cpuUtilization", "targetTracking"]
    for place in (
        "spec.metrics[0]: not carried over",
        "spec.metrics[1]: the utilization is of the whole pod here, not of the container web",
        "spec.metrics[2].external.metric.selector: the query lacks",
        "spec.metrics[2].external.target.surprise: not carried over",
        "spec.novelty: not carried over",
        "metadata.finalizers: not carried over",
    ):
        assert place in notes
    assert "uid" not in notes


def test_an_hpa_at_zero_wakes_by_what_is_alive_there():
    """MinReplicas 0 needs a metric that is not the pods' own; without one it becomes 1, and that is told."""
    spec, policy, _, _ = converted(hpa(external("gateway_queue"), least=0))
    assert (spec["minReplicas"], spec["signals"]["gatewayRequests"]["query"]) == (0, "sum(gateway_queue)")
    assert policy["scaleToZero"] == {"idleAfterSeconds": 300, "targetPerReplica": 5}
    spec, policy, notes, _ = converted(hpa(external("vllm:num_requests_waiting"), least=0))
    assert (spec["minReplicas"], "scaleToZero" in policy) == (1, False)
    assert "spec.minReplicas: 0 became 1" in notes


def test_an_hpa_without_metrics_keeps_upstreams_default():
    """No metrics mean 80 percent of the CPU request."""
    _, policy, notes, _ = converted(hpa()[: hpa().index("  metrics:")])
    assert policy["rules"] == [{"type": "cpuUtilization", "targetPercent": 80}]
    assert "spec.metrics: none" in notes


def test_a_scaled_object_becomes_a_document_and_a_policy():
    """A well-known query is a rule, and the server's address is told to belong into the settings."""
    spec, policy, notes, _ = converted(SCALED_OBJECT)
    assert (spec["minReplicas"], spec["maxReplicas"]) == (1, 8)
    assert policy["rules"] == [{"type": "queueDepth", "targetPerReplica": 5}]
    assert "serverAddress: is `prometheus.url` in the daemon's settings, for all targets alike: http://" in notes


def test_a_scaled_object_sleeps_by_our_words():
    """CooldownPeriod is idleAfterSeconds, activationThreshold wakeThreshold, fallback a floor; the others are told."""
    spec, policy, notes, _ = converted(
        scaled_object(
            prometheus("sum(front_queue)", "7", ", activationThreshold: 2, ignoreNullValues: 'false'"),
            spec="pollingInterval: 20\ncooldownPeriod: 600\ninitialCooldownPeriod: 120\nmaxReplicaCount: 4\n"
            "fallback: {failureThreshold: 3, replicas: 6, behavior: currentReplicas}",
        )
    )
    assert (spec["minReplicas"], spec["fallback"]) == (0, {"replicas": 4, "afterSeconds": 60})
    assert spec["signals"]["gatewayRequests"] == {"query": "sum(front_queue)", "unit": "requests"}
    assert policy["scaleToZero"] == {"idleAfterSeconds": 600, "targetPerReplica": 7, "wakeThreshold": 2}
    for word in (
        "spec.pollingInterval: 20 s",
        "spec.initialCooldownPeriod",
        "spec.fallback.behavior",
        "ignoreNullValues",
    ):
        assert word in notes


def test_a_scaled_object_of_the_pods_own_series_stays_awake():
    """A query that nobody answers at zero cannot wake: the minimum becomes 1, and cooldownPeriod is told to be void."""
    spec, policy, notes, _ = converted(
        scaled_object(prometheus("sum(vllm:num_requests_waiting)"), spec="cooldownPeriod: 60")
    )
    assert (spec["minReplicas"], "scaleToZero" in policy) == (1, False)
    assert "spec.minReplicaCount: 0 became 1" in notes
    assert "spec.cooldownPeriod: not carried over" in notes
    spec, _, notes, _ = converted(scaled_object(prometheus(KV), spec="idleReplicaCount: 0\nminReplicaCount: 3"))
    assert spec["minReplicas"] == 3
    assert "spec.idleReplicaCount: became 3" in notes


def test_idle_replicas_let_it_sleep():
    """IdleReplicaCount 0 is sleep with an awake floor of 1: the floor that is lost is told."""
    spec, _, notes, _ = converted(
        scaled_object(prometheus("sum(front_queue)"), spec="idleReplicaCount: 0\nminReplicaCount: 3")
    )
    assert spec["minReplicas"] == 0
    assert "spec.idleReplicaCount: awake, the least is 1 here, and not 3" in notes


def test_cron_triggers_become_schedules():
    """One schedule a time zone, its windows from the highest floor down, as KEDA takes the maximum of those open."""
    _, policy, notes, _ = converted(
        scaled_object(
            prometheus("sum(vllm:num_requests_waiting)"),
            cron("0 8 * * 1-5", "0 18 * * 1-5", 2),
            cron("0 12 * * *", "0 13 * * *", 50),
            cron("0 1 * * *", "0 2 * * *", 3, "UTC"),
            cron("@daily", "0 2 * * *", 3),
            spec="minReplicaCount: 1\nmaxReplicaCount: 8",
        )
    )
    berlin, utc = policy["rules"][1:]
    assert (berlin["timeZone"], [window["minReplicas"] for window in berlin["windows"]]) == ("Europe/Berlin", [8, 2])
    assert berlin["windows"][1] == {"start": "0 8 * * 1-5", "end": "0 18 * * 1-5", "minReplicas": 2}
    assert (utc["name"], utc["timeZone"]) == ("schedule2", "UTC")
    assert "spec.triggers[2]: desiredReplicas 50 became 8" in notes
    assert "spec.triggers[4]: not carried over: cron expression '@daily'" in notes


def test_a_clock_alone_never_lowers_and_says_so():
    """With cron triggers only, the document is right, and the notes say what it lacks."""
    _, policy, notes, _ = converted(scaled_object(cron("0 8 * * *", "0 9 * * *", 2)))
    assert [rule["type"] for rule in policy["rules"]] == ["schedule"]
    assert "only the clock sizes" in notes


def test_what_a_scaled_object_has_and_we_do_not_is_told():
    """Other triggers, log-ins, formulas, pauses and names: each is told by its place."""
    text = scaled_object(
        prometheus(KV, "0.5", ", cortexOrgID: x", ", metricType: Value, name: kv, authenticationRef: {name: a}"),
        "{type: cpu, metricType: Utilization, metadata: {value: 60, containerName: web}}",
        "{type: memory, metadata: {value: '70', type: Utilization}}",
        "{type: aws-sqs-queue, metadata: {queueLength: 5}}",
        spec="minReplicaCount: 1\nadvanced: {restoreToOriginalReplicaCount: true, scalingModifiers: {formula: kv + 1},"
        " horizontalPodAutoscalerConfig: {name: h, behavior: {scaleUp: {stabilizationWindowSeconds: 30}}}}",
    ).replace(
        "namespace: inference}", "namespace: inference, annotations: {autoscaling.keda.sh/paused: 'true', team: a}}"
    )
    spec, policy, notes, out = converted(text)
    assert [rule["type"] for rule in policy["rules"]] == ["targetTracking", "cpuUtilization"]
    assert (policy["rules"][0]["target"], policy["behavior"]) == (50, {"scaleUp": {"stabilizationWindowSeconds": 30}})
    assert spec["mode"] == "Paused"
    assert "annotations: {team: a}" in out
    for word in (
        "metadata.cortexOrgID: not carried over",
        "spec.triggers[0].authenticationRef",
        "spec.triggers[1].metadata.containerName",
        "spec.triggers[2]: not carried over: a trigger of type memory",
        "spec.triggers[3]: not carried over: a trigger of type aws-sqs-queue",
        "spec.advanced.restoreToOriginalReplicaCount",
        "spec.advanced.scalingModifiers",
        "spec.advanced.horizontalPodAutoscalerConfig.name",
        "is mode Paused here",
    ):
        assert word in notes


def test_several_documents_and_lists_are_converted():
    """A List's items are taken one by one, names are kept apart, and what is no autoscaler is named."""
    other = HPA.replace("namespace: inference", "namespace: batch")
    listed = yaml.safe_dump(
        {"apiVersion": "v1", "kind": "List", "items": list(yaml.safe_load_all(HPA + "---" + other))}
    )
    found = convert(parse(listed + "---\n{kind: Service, metadata: {name: web}}\n", "all.yaml"))
    documents = list(yaml.safe_load_all(found.text))
    assert [document["metadata"]["name"] for document in documents] == [
        "llama-8b",
        "llama-8b",
        "llama-8b",
        "batch-llama-8b",
    ]
    assert documents[2]["spec"]["policyRef"] == {"name": "batch-llama-8b"}
    assert found.notes[2].startswith("all.yaml:30 (document 2): HorizontalPodAutoscaler batch/llama-8b: ")
    assert "all.yaml:59 (document 2): skipped: Service web is no autoscaler's manifest" in found.notes


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HPA.replace("autoscaling/v2", "autoscaling/v1"), ["m.yaml:2", "apiVersion", "autoscaling/v2", "kubectl get"]),
        (HPA.replace("kind: Deployment", "kind: StatefulSet"), ["m.yaml:6", "spec.scaleTargetRef.kind", "StatefulSet"]),
        (
            HPA.replace("maxReplicas: 9", "maxReplicas: 1"),
            ["spec", "`minReplicas` (2) must not be above `maxReplicas` (1)"],
        ),
        (
            HPA.replace("periodSeconds: 60", "periodSeconds: 0"),
            ["m.yaml:18", "behavior.scaleDown.policies[0].periodSeconds"],
        ),
        (HPA.replace("averageValue: ", "value: "), ["spec.metrics[0].pods.target", "needs `averageValue` above 0"]),
        (
            HPA + "---" + SCALED_OBJECT.replace("name: llama-8b, n", "name: b, n"),
            ["scale the same target", "m.yaml:20"],
        ),
        (scaled_object("{type: kafka}"), ["nothing of it can be carried over", "spec.triggers[0]", "kafka"]),
        (scaled_object("{type: prometheus, metadata: {query: a}}"), ["spec.triggers[0]", "metadata.threshold"]),
        (scaled_object(prometheus("a", "many")), ["spec.triggers[0]", "metadata.threshold ('many') must be a number"]),
        ("kind: Service", ["m.yaml", "must hold a manifest of kind HorizontalPodAutoscaler or ScaledObject"]),
        ("[1, 2]", ["must hold a manifest"]),
        ("", ["must hold a manifest"]),
    ],
)
def test_wrong_manifests_are_refused_by_name(text, words):
    """File, line, key path, value and what is allowed, as for documents of our own."""
    with pytest.raises(DocumentError) as refused:
        convert(parse(text, "m.yaml"))
    for word in words:
        assert word in str(refused.value)


@pytest.mark.parametrize("name", ["Null", "true", "no", "on"])
def test_a_metrics_name_stays_a_name(name):
    """In YAML these words are other things than texts: as the name of a signal they are quoted."""
    assert list(converted(hpa(pods(name))).spec["signals"]) == [name]
