"""Upstream's own tables for the HPA's replica calculator, as far as they describe current Kubernetes."""

from __future__ import annotations

import pytest

from autoscaler.peers.hpa_calculator import Invalid
from autoscaler.peers.hpa_pods import Patience, group
from tests.conformance.hpa_rows import NOW, metrics_of, pods_of, proposal, tolerances_of
from tests.conformance.table import load, of_kind

TABLE = load("hpa_replica_calc.json")
KINDS = ("resource", "pods", "object", "external", "object_per_pod", "external_per_pod")
# the flags of upstream's test binary
PATIENCE = Patience(120.0, 10.0)


def test_the_table_is_whole():
    """All fifty-four cases describe current Kubernetes, and none is lost on loading."""
    assert (len(of_kind(TABLE, *KINDS)), len(of_kind(TABLE, "group_pods"))) == (48, 6)


@pytest.mark.parametrize("case", of_kind(TABLE, *KINDS))
def test_replicas(case):
    """A metric asks for the same count as upstream's calculator, or fails in the same words."""
    given, expected = case["input"], case["expected"]
    current = given["currentReplicas"]

    found = proposal(case["kind"], given, given["pods"], (current, current), tolerances_of(given), PATIENCE)
    if "error_contains" in expected:
        assert isinstance(found, Invalid)
        assert expected["error_contains"] in found.message
        return
    words = {"replicas": 0, "utilization": 1, "utilizationMilli": 1, "averageRawMilli": 2}
    assert {word: found[words[word]] for word in expected} == expected


@pytest.mark.parametrize("case", of_kind(TABLE, "group_pods"))
def test_groups(case):
    """Pods are ready, unready, missing or ignored as upstream says."""
    given, expected = case["input"], case["expected"]
    patience = Patience(given["cpuInitializationPeriodSeconds"], given["initialReadinessDelaySeconds"])
    groups = group(pods_of(given["pods"]), metrics_of(given["pods"]), given["resource"], patience, NOW)
    assert groups.ready_count == expected["readyPodCount"]
    found = (set(groups.unready), set(groups.missing), set(groups.ignored))
    assert found == (set(expected["unready"]), set(expected["missing"]), set(expected["ignored"]))
