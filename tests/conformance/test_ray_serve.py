"""Upstream's own tables for Ray Serve's queue-length policy."""

from __future__ import annotations

import pytest

from autoscaler.peers.ray_serve_policy import (
    Delays,
    Factors,
    Waiting,
    apply_delay,
    apply_factors,
    cold_start,
    queue_length,
    round_to_gangs,
)
from tests.conformance.table import load, of_kind

TABLE = load("ray_serve.json")
KINDS = ("policy", "scaling_factor", "delay", "delay_fire_time", "gang_round")
STATELESS = "upstream keeps no state between the calls"


def delays(config) -> Delays:
    """Return the delays of a case."""
    return Delays(config["upscale_delay_s"], config["downscale_delay_s"], config["downscale_to_zero_delay_s"])


def wanted(policy, config, call) -> float:
    """Return what the policy of a case wants: the requests over the target, or three while there are any."""
    if policy == "custom_3_or_0":
        return 3.0 if call["requests"] > 0 else 0.0
    return queue_length(call["requests"], config["target_ongoing_requests"])


def test_the_table_is_whole():
    """All twenty-four cases are run, none is lost on loading."""
    assert [len(of_kind(TABLE, kind)) for kind in KINDS] == [16, 1, 1, 1, 5]


@pytest.mark.parametrize("case", of_kind(TABLE, "policy"))
def test_policy(case):
    """Call by call, the policy wants what upstream's does."""
    config, waiting, ticks, previous = case["config"], Waiting(), 0, 0
    factors = Factors(config["upscaling_factor"], config["downscaling_factor"])
    for call in case["calls"]:
        for _ in range(call["n"]):
            current, target = (previous if call[key] == "prev" else call[key] for key in ("current", "target"))
            if STATELESS in case.get("note", ""):
                waiting = Waiting()
            if current == 0:
                previous = cold_start(call["requests"], target, factors)
            else:
                desired = max(apply_factors(wanted(case["policy"], config, call), current, factors), 0)
                previous, waiting = apply_delay(desired, target, delays(config), waiting, ticks / 10)
            assert call["expected"] in (None, previous)
            ticks += round(call["dt"] * 10)


@pytest.mark.parametrize("case", of_kind(TABLE, "scaling_factor"))
def test_factors(case):
    """A decrease that the factor swallows is still one replica."""
    given = case["input"]
    factors = Factors(given["upscaling_factor"], given["downscaling_factor"])
    assert apply_factors(given["desired"], given["current"], factors) == case["expected"]["replicas"]


@pytest.mark.parametrize("case", of_kind(TABLE, "delay"))
def test_delay(case):
    """A change is made once it has been wanted for the delay."""
    waiting = Waiting()
    for step in case["steps"]:
        found, waiting = apply_delay(step["desired"], step["target"], delays(case["config"]), waiting, step["t"])
        assert found == step["expected"]


@pytest.mark.parametrize("case", of_kind(TABLE, "delay_fire_time"))
def test_delay_with_slow_passes(case):
    """The delay is one of the clock, not of a number of passes."""
    given, waiting, passes = case["input"], Waiting(), 0
    found = given["target"]
    while found != given["desired"]:
        now = given["start"] + passes * given["iteration_s"]
        found, waiting = apply_delay(given["desired"], given["target"], delays(case["config"]), waiting, now)
        passes += 1
        assert passes < 1000
    assert case["expected"]["fires_not_before_s"] <= now <= case["expected"]["fires_not_after_s"]


@pytest.mark.parametrize("case", of_kind(TABLE, "gang_round"))
def test_gangs(case):
    """Counts are rounded up to whole gangs."""
    given = case["input"]
    bounds = None if given["min_replicas"] is None else (given["min_replicas"], given["max_replicas"])
    assert round_to_gangs(given["raw"], given["gang_size"], bounds) == case["expected"]["replicas"]
