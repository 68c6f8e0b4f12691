"""Upstream's own tables for KEDA: activation and fallback. Its ScaledJobs make jobs, which is not ours."""

from __future__ import annotations

import pytest

from autoscaler.peers.keda_activation import Activation, Past, Triggers, activate
from autoscaler.peers.keda_fallback import Fallback, FallbackBehavior, fallback_metric, falls_back
from tests.conformance.table import load, of_kind

TABLE = load("keda.json")
NOW = 1_700_000_000.0
ANCIENT = 0.0
JOBS = ("scaledjob_strategy", "scaledjob_state", "scaledjob_decision", "target_average")
"""The mean of the triggers' targets stands in pkg/scaling/scaledjob/scale_metrics.go, `getTargetAverageValue`."""
OUT_OF_SCOPE = {
    case["id"]: "a ScaledJob makes jobs; there is no replica count to decide" for case in TABLE if case["kind"] in JOBS
}


def test_the_table_is_whole():
    """Twelve cases concern a ScaledObject, 21 a ScaledJob, and none is of another kind."""
    kinds = ("scaledobject", "fallback", "fallback_gate")
    assert (len(of_kind(TABLE, *kinds)), len(OUT_OF_SCOPE), len(TABLE)) == (12, 21, 33)


@pytest.mark.parametrize("case", of_kind(TABLE, *JOBS, skips=OUT_OF_SCOPE))
def test_jobs(case):
    """A ScaledJob is out of scope."""
    pytest.fail(f"{case['id']} is not skipped")


@pytest.mark.parametrize("case", of_kind(TABLE, "scaledobject"))
def test_activation(case):
    """One poll writes the same count as upstream's executor, or nothing, and sets the same condition."""
    given, expected = case["input"], case["expected"]
    rules = Activation(
        given["min_replica_count"] or 0,
        given["idle_replica_count"],
        given["cooldown_s"],
        given["initial_cooldown_s"],
        paused=given["paused"],
        scale_in_paused=given["pause_scale_in"],
        scale_out_paused=given["pause_scale_out"],
        forced=given["force_activation"],
    )
    ages = (given["creation_age_s"], given["last_active_age_s"])
    past = Past(ANCIENT if ages[0] is None else NOW - ages[0], None if ages[1] is None else NOW - ages[1])
    found = activate(rules, given["current_replicas"], Triggers(given["active"], given["error"]), past, NOW)
    assert (found.replicas, found.writes) == (expected["replicas"], expected["updates_scale"])
    assert found.active is expected["active_condition"]
    assert ("last_active_time_set" not in expected) or found.last_active_at == NOW


@pytest.mark.parametrize("case", of_kind(TABLE, "fallback"))
def test_fallback(case):
    """A metric that failed once more is passed on as failed, or replaced, as upstream does."""
    given, expected = case["input"], case["expected"]
    behavior = FallbackBehavior(given["behavior"] or "static")
    fallback = Fallback(given["failure_threshold"], given["fallback_replicas"], behavior)
    failures = given["failures_before"] + 1
    assert failures == expected.get("failures_after", failures)
    metric = None
    if falls_back(fallback, failures):
        metric = fallback_metric(fallback, given["current_replicas"] or 0, given["target_average_value"])
    assert metric == expected["metric_value"]


@pytest.mark.parametrize("case", of_kind(TABLE, "fallback_gate"))
def test_gate(case):
    """Only more failures than the threshold make a metric fall back."""
    given = case["input"]
    fallback = Fallback(given["failure_threshold"], 1) if given["fallback_configured"] else None
    assert (given["failing"] and falls_back(fallback, given["failures"] or 0)) is case["expected"]["falls_back"]
