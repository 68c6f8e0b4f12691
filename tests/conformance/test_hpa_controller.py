"""Upstream's own scenarios for one reconcile of an HPA, as far as they describe current Kubernetes."""

from __future__ import annotations

import pytest

from autoscaler.engine.behavior import DEFAULT_DOWN, DEFAULT_UP, PolicyType, RatePolicy, Recommendation, SelectPolicy
from autoscaler.engine.behavior import ScalingRules as Rules
from autoscaler.peers.hpa_calculator import Invalid, Tolerances
from autoscaler.peers.hpa_controller import Failed, History, Rulebook, reconcile
from autoscaler.peers.hpa_legacy import UpLimit
from autoscaler.peers.hpa_pods import Patience
from tests.conformance.hpa_rows import NOW, at, proposal
from tests.conformance.table import load, of_kind

TABLE = load("hpa_controller.json")
FAILURES = {
    "resource": "FailedGetResourceMetric",
    "pods": "FailedGetPodsMetric",
    "object": "FailedGetObjectMetric",
    "object_per_pod": "FailedGetObjectMetric",
    "external": "FailedGetExternalMetric",
    "external_per_pod": "FailedGetExternalMetric",
    "invalid": "InvalidMetricSourceType",
}


def rules(fields, default):
    """Return one direction's rules; None means upstream's defaults."""
    if fields is None:
        return default
    policies = tuple(RatePolicy(PolicyType(p["type"]), p["value"], p["periodSeconds"]) for p in fields["policies"])
    window = fields["stabilizationWindowSeconds"]
    window = default.stabilization_window_seconds if window is None else window
    return Rules(window, policies, SelectPolicy(fields["selectPolicy"]))


def rulebook(given) -> Rulebook:
    """Return what the HPA and the controller manager of a scenario lay down."""
    flags = given["controller"]
    behavior = None
    if given["scaleUp"] or given["scaleDown"]:
        behavior = (rules(given["scaleUp"], DEFAULT_UP), rules(given["scaleDown"], DEFAULT_DOWN))
    limit = UpLimit(flags["scaleUpLimitFactor"], flags["scaleUpLimitMinimum"])
    window = flags["downscaleStabilizationWindowSeconds"]
    return Rulebook(given["minReplicas"], given["maxReplicas"], behavior, window, limit)


def result(metric, given):
    """Return what one metric of a scenario asks for, or its failure."""
    flags, kind = given["controller"], metric["kind"]
    if kind == "invalid" or metric.get("error"):
        return Failed(FAILURES[kind], "the scenario says so")
    counts = (given["specReplicas"], given["statusReplicas"])
    patience = Patience(flags["cpuInitializationPeriodSeconds"], flags["initialReadinessDelaySeconds"])
    tolerances = Tolerances(flags["tolerance"], flags["tolerance"])
    found = proposal(kind, metric, metric.get("pods", given["pods"]), counts, tolerances, patience)
    return Failed(FAILURES[kind], found.message) if isinstance(found, Invalid) else found


def history(given) -> History:
    """Return what the controller remembers at the start of a scenario."""
    past = given["recommendations"]
    if past is None:
        return History()
    return History(tuple(Recommendation(at(entry["age_seconds"]), entry["replicas"]) for entry in past))


def test_the_table_is_whole():
    """Fifty-one of the fifty-four scenarios describe current Kubernetes; the other three say what 1.20 did."""
    assert len(of_kind(TABLE, "")) == 51


@pytest.mark.parametrize("case", of_kind(TABLE, ""))
def test_reconcile(case):
    """A reconcile ends with upstream's count and upstream's conditions."""
    given = case["input"]
    results = [result(metric, given) for metric in given["metrics"]]
    outcome = reconcile(rulebook(given), given["specReplicas"], results, history(given), NOW)
    assert outcome.replicas == case["expected"]["desiredReplicas"]
    assert {kind: list(pair) for kind, pair in outcome.conditions.items()} == case["expected"]["conditions"]
