from __future__ import annotations

import pytest

from tests.documents.texts import AUTOSCALER, POLICY, WAKE, changed

BOTH_SAY = "both say zero, or neither"
POLICY_ALONE = f"spec.minReplicas: must be 0, for the policy has `scaleToZero`: {BOTH_SAY} (found 1)"
MINIMUM_ALONE = f"spec.minReplicas: must be at least 1, for the policy has no `scaleToZero`: {BOTH_SAY} (found 0)"
NO_WAKE = (
    "spec.signals: scale-to-zero needs a wake signal: give `gatewayRequests`, the requests held in front of the "
    "backend, for at zero replicas nothing else can tell that somebody waits"
)


@pytest.mark.parametrize(
    ("minimum", "zero", "wake", "says"),
    [
        (0, True, True, []),
        (1, False, True, []),
        (1, False, False, []),
        (1, True, True, [f"docs.yaml:6 (document 1): {POLICY_ALONE}"]),
        (0, False, True, [f"docs.yaml:6 (document 1): {MINIMUM_ALONE}"]),
        (0, True, False, [f"docs.yaml:4 (document 1): {NO_WAKE}"]),
    ],
    ids=["both", "neither", "neither, no wake", "policy alone", "minimum alone", "no wake signal"],
)
def test_zero_takes_both_and_a_wake_signal(problems, minimum, zero, wake, says):
    """One alone is an error, and so is scale-to-zero that nothing could wake."""
    text = changed(AUTOSCALER, ("minReplicas: 0", f"minReplicas: {minimum}"))
    text = text if wake else changed(text, (f"  signals:\n{WAKE}", ""))
    policy = POLICY if zero else changed(POLICY, ("  scaleToZero: {idleAfterSeconds: 900}\n", ""))
    assert problems(f"{text}---\n{policy}") == says


QUEUE_ONLY = """\
apiVersion: autoscaler.inference.dev/v1alpha1
kind: ScalingPolicy
metadata: {name: chat}
spec:
  rules:
    - {type: queueDepth, targetPerReplica: 4}
    - {type: latency, signal: timeToFirstToken, objectiveSeconds: 2}
    - {type: cpuUtilization, targetPercent: 70}
"""


def test_a_guard_takes_either_sign_of_load(problems):
    """Triton has a queue and no requests in flight: its guards work, and sizing by what it has not is an error."""
    text = changed(AUTOSCALER, ("backend: vllm", "backend: triton"), ("minReplicas: 0", "minReplicas: 1"))
    assert problems(f"{text}---\n{QUEUE_ONLY}") == []
    (says,) = problems(f"{text}---\n{QUEUE_ONLY.replace('queueDepth', 'pendingRequests')}")
    assert "the rule 'pendingRequests' needs the signal pendingRequests, which triton does not have" in says


def test_scale_to_zero_needs_proof_of_idleness(problems):
    """llama.cpp counts no requests and Triton none in flight: they never would sleep, and are told so at once."""
    policy = changed(
        POLICY, ("    - {type: latency, signal: timeToFirstToken, quantile: 0.99, objectiveSeconds: 2}\n", "")
    )
    (says,) = problems(f"{changed(AUTOSCALER, ('backend: vllm', 'backend: llama.cpp'))}---\n{policy}")
    assert "needs proof of idleness, and llama.cpp does not have completedRequests: give it in `spec.signals`" in says


@pytest.mark.parametrize(
    ("windows", "says"),
    [
        ([(4, None)], []),
        ([(0, 2)], []),
        ([(10, 10), (2, 2)], []),
        ([(4, None), (11, None)], ["the window 2 of the rule 'schedule', 11 to 10 replicas"]),
        ([(0, 1)], ["the window 1 of the rule 'schedule', 0 to 1 replicas"]),
        (
            [(0, 1), (20, 30)],
            [
                "the window 1 of the rule 'schedule', 0 to 1 replicas",
                "the window 2 of the rule 'schedule', 20 to 30 replicas",
            ],
        ),
    ],
)
def test_each_window_of_a_schedule_must_meet_the_documents_bounds(problems, windows, says):
    """An empty intersection is found when the document is read, not at eight in the morning."""
    items = [
        f'{{start: "0 {hour} * * *", end: "30 {hour} * * *", minReplicas: {least}'
        + ("}" if most is None else f", maxReplicas: {most}}}")
        for hour, (least, most) in enumerate(windows)
    ]
    text = changed(AUTOSCALER, ("minReplicas: 0", "minReplicas: 2"))
    policy = changed(
        POLICY,
        ("  scaleToZero: {idleAfterSeconds: 900}\n", ""),
        (
            "    - {type: gpuUtilization, targetPercent: 80}\n",
            f"    - {{type: schedule, windows: [{', '.join(items)}]}}\n",
        ),
    )
    rest = ", and the document's 2 to 10 have no count in common"
    assert problems(f"{text}---\n{policy}") == [
        f"docs.yaml:12 (document 1): spec.policyRef: {one}{rest}" for one in says
    ]


def test_a_signal_that_the_backend_lacks_is_named_with_the_rule(problems):
    """TGI has no histogram of the first token; a query of the document's own makes up for it."""
    text = changed(AUTOSCALER, ("backend: vllm", "backend: tgi"))
    assert problems(f"{text}---\n{POLICY}") == [
        (
            "docs.yaml:12 (document 1): spec.policyRef: the rule 'latency' needs the signal timeToFirstToken, which "
            "tgi does not have: give it in `spec.signals`, or use one of completedRequests, endToEnd, generatedTokens, "
            "pendingRequests, promptTokens, queueDepth, queueTime, requestRate, startedRequests, tokenRate"
        )
    ]
    for key in ("timeToFirstToken", "'timeToFirstToken:0.99'"):
        own = changed(text, (WAKE, f"{WAKE}    {key}: {{query: my_ttft}}\n"))
        assert problems(f"{own}---\n{POLICY}") == []


PROMISING_NOTHING = """\
apiVersion: autoscaler.inference.dev/v1alpha1
kind: ScalingPolicy
metadata: {name: chat}
spec:
  rules:
    - {type: pendingRequests, targetPerReplica: 9}
    - {type: latency, signal: timeToFirstToken}
"""


def test_a_guard_without_any_objective_is_refused(problems):
    """It would look on for ever: the message says where the objective may stand."""
    plain = changed(AUTOSCALER, ("  minReplicas: 0\n", ""), (f"  signals:\n{WAKE}", ""))
    says = "the rule 'latency' names no objectiveSeconds: give it there, or here for all rules, as {ttftSeconds: 2}"
    assert problems(f"{plain}---\n{PROMISING_NOTHING}") == [f"docs.yaml:4 (document 1): spec.objective: {says}"]
