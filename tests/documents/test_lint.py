from __future__ import annotations

import pytest

from autoscaler.documents.compile import compile_all
from autoscaler.documents.lint import ONLY_GUARDS, ONLY_QUEUE, SIZED_BY_GPU, rule_warnings, warnings
from autoscaler.documents.load import load
from autoscaler.documents.policy import ScalingPolicySpec
from tests.documents.texts import AUTOSCALER, POLICY, changed

PENDING = {"type": "pendingRequests", "targetPerReplica": 24}
QUEUE = {"type": "queueDepth", "targetPerReplica": 4}
LATENCY = {"type": "latency", "signal": "endToEnd", "objectiveSeconds": 2}
GPU_GUARD = {"type": "gpuUtilization", "targetPercent": 80}
GPU_SIZE = {**GPU_GUARD, "role": "size"}
STEPS = {"type": "threshold", "signal": "kvCacheUtilization", "above": 90}


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
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


@pytest.mark.parametrize(("idle", "warned"), [(299, True), (300, False)])
def test_sleeping_sooner_than_waking_is_told(file, idle, warned):
    """An idle time shorter than a start-up of 300 s."""
    policy = changed(POLICY, ("idleAfterSeconds: 900", f"idleAfterSeconds: {idle}"))
    (target,) = compile_all(load([file(f"{AUTOSCALER}---\n{policy}")]))
    says = "idleAfterSeconds (299) is shorter than a start-up (300 s): it sleeps sooner than it wakes"
    assert warnings(target) == ((says,) if warned else ())
