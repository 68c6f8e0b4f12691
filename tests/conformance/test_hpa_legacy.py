"""Upstream's own tables for an HPA without a `behavior` block."""

from __future__ import annotations

import pytest

from autoscaler.engine.behavior import Recommendation, ScaleEvent
from autoscaler.peers.hpa_calculator import Proposed
from autoscaler.peers.hpa_controller import History, Rulebook, reconcile
from autoscaler.peers.hpa_legacy import UpLimit, limit_up, stabilize_down
from tests.conformance.hpa_rows import NOW, at
from tests.conformance.table import load, of_kind

TABLE = load("hpa_behavior.json")
UNTOUCHED = [case for case in of_kind(TABLE, "store_events") if case.values[0]["input"]["rules"] is None]


def test_the_table_is_whole():
    """All forty-six cases describe current Kubernetes; those with rules are run by their own tests."""
    assert len(TABLE) == 46
    assert (len(of_kind(TABLE, "convert_legacy")), len(of_kind(TABLE, "stabilize_legacy")), len(UNTOUCHED)) == (4, 4, 1)


@pytest.mark.parametrize("case", of_kind(TABLE, "convert_legacy"))
def test_limits(case):
    """The bounds and the doubling limit a count as upstream's controller does, with the same reason."""
    given = case["input"]
    limited = limit_up(
        given["currentReplicas"],
        given["desiredReplicas"],
        (given["minReplicas"], given["maxReplicas"]),
        UpLimit(given["scaleUpLimitFactor"], given["scaleUpLimitMinimum"]),
    )
    assert case["expected"] == {"replicas": limited.replicas, "reason": limited.reason}


@pytest.mark.parametrize("case", of_kind(TABLE, "stabilize_legacy"))
def test_stabilization(case):
    """The most that was wanted within the window counts, and one obsolete slot is written over."""
    given, expected = case["input"], case["expected"]
    past = tuple(Recommendation(at(entry["age_seconds"]), entry["replicas"]) for entry in given["recommendations"])
    window = given["downscaleStabilizationWindowSeconds"]
    replicas, after = stabilize_down(given["desiredReplicas"], window, past, NOW)
    assert (replicas, len(after)) == (expected["replicas"], expected["recommendations_len_after"])


@pytest.mark.parametrize("case", UNTOUCHED)
def test_no_bookkeeping(case):
    """Without `behavior` a change leaves the events as they are."""
    given = case["input"]
    events = tuple(ScaleEvent(at(entry["age_seconds"]), entry["change"]) for entry in given["events"])
    before = given["prevReplicas"]
    wanted = Proposed(given["newReplicas"], 0, 0)
    outcome = reconcile(Rulebook(1, 20), before, [wanted], History((), downs=events), NOW)
    assert outcome.replicas == given["newReplicas"]
    assert [event.change for event in outcome.history.downs] == [e["change"] for e in case["expected"]["events_after"]]
