"""Upstream's own tables for the HPA's `behavior`, as far as they describe current Kubernetes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from autoscaler.engine.behavior import (
    DEFAULT_DOWN,
    DEFAULT_UP,
    PolicyType,
    RatePolicy,
    Recommendation,
    ScaleEvent,
    ScalingRules,
    SelectPolicy,
    change_in_period,
    limit_rate,
    longest_period,
    scale_up_limit,
    stabilize,
    store_event,
)

NOW = 1_700_000_000.0
TABLE = json.loads((Path(__file__).parent / "vectors" / "hpa_behavior.json").read_text())
# upstream's clock runs on between writing a row and judging it: an age given as equal to a period is just outside
TICK = 1e-3


def cases(kind: str) -> list:
    """Return the cases of one kind that hold for current Kubernetes."""
    chosen = [case for case in TABLE["cases"] if case["kind"] == kind and "current" in case["semantics"]]
    return [pytest.param(case, id=case["id"]) for case in chosen]


def rules(fields: dict | None, default: ScalingRules) -> ScalingRules:
    """Return one direction's rules; None means upstream's defaults."""
    if fields is None:
        return default
    policies = tuple(RatePolicy(PolicyType(p["type"]), p["value"], p["periodSeconds"]) for p in fields["policies"])
    window = fields["stabilizationWindowSeconds"]
    return ScalingRules(window or 0.0, policies, SelectPolicy(fields["selectPolicy"]))


def events(entries: list) -> tuple[ScaleEvent, ...]:
    """Return scale events from their ages."""
    return tuple(ScaleEvent(NOW - e["age_seconds"] - TICK, e["change"]) for e in entries)


def test_the_table_is_whole():
    """All thirty cases of the two kinds that describe current Kubernetes are run, none is lost on loading."""
    assert (len(cases("behavior_rate")), len(cases("stabilize_behavior"))) == (21, 9)


@pytest.mark.parametrize("case", cases("behavior_rate"))
def test_rates_and_bounds(case):
    """Bounds and rate policies limit a count as upstream's controller does, with the same reason."""
    given = case["input"]
    limited = limit_rate(
        given["currentReplicas"],
        given["desiredReplicas"],
        (given["minReplicas"], given["maxReplicas"]),
        (rules(given["scaleUp"], DEFAULT_UP), rules(given["scaleDown"], DEFAULT_DOWN)),
        (events(given["scaleUpEvents"]), events(given["scaleDownEvents"])),
        NOW,
    )
    assert case["expected"] == {"replicas": limited.replicas, "reason": limited.reason}


@pytest.mark.parametrize("case", cases("stabilize_behavior"))
def test_stabilization(case):
    """Windows clamp the present count, and the history keeps what was wanted, in upstream's slot order."""
    given = case["input"]
    history = tuple(Recommendation(NOW - r["age_seconds"] - TICK, r["replicas"]) for r in given["recommendations"])
    windows = (given["scaleUpStabilizationWindowSeconds"], given["scaleDownStabilizationWindowSeconds"])
    replicas, after = stabilize(given["currentReplicas"], given["desiredReplicas"], windows, history, NOW)
    assert case["expected"]["replicas"] == replicas
    if "recommendations_after" in case["expected"]:
        assert case["expected"]["recommendations_after"] == [entry.replicas for entry in after]


@pytest.mark.parametrize("case", cases("limit_up"))
def test_up_limit(case):
    """`selectPolicy: Min` takes the smallest of the allowed counts."""
    given = case["input"]
    limit = scale_up_limit(
        given["currentReplicas"],
        rules(given["rules"], DEFAULT_UP),
        events(given["scaleUpEvents"]),
        events(given["scaleDownEvents"]),
        NOW,
    )
    assert case["expected"]["limit"] == limit


@pytest.mark.parametrize("case", [case for case in cases("store_events") if case.values[0]["input"]["rules"]])
def test_bookkeeping_of_events(case):
    """A change is written over the last outdated slot, and appended where there is none."""
    given, expected = case["input"], case["expected"]
    past = events(given["events"])
    assert expected["change_in_period_before"] == change_in_period(past, given["periodSeconds"], NOW)
    change = abs(given["newReplicas"] - given["prevReplicas"])
    after = store_event(past, change, longest_period(rules(given["rules"], DEFAULT_UP)), NOW)
    assert [event["change"] for event in expected["events_after"]] == [event.change for event in after]
