"""Upstream's own tables for AIBrix: APA, and its variant of Knative's formula."""

from __future__ import annotations

import pytest

from autoscaler.peers.aibrix_algorithms import KpaInput, Rates, apa, kpa
from tests.conformance.table import load, of_kind

TABLE = load("aibrix.json")


def rates(given) -> Rates:
    """Return the rates and tolerances of a case."""
    return Rates(
        given["max_scale_up_rate"], given["max_scale_down_rate"], given["up_tolerance"], given["down_tolerance"]
    )


def test_the_table_is_whole():
    """All nine cases are run, none is lost on loading."""
    assert (len(of_kind(TABLE, "apa")), len(of_kind(TABLE, "kpa"))) == (5, 4)


@pytest.mark.parametrize("case", of_kind(TABLE, "apa"))
def test_apa(case):
    """APA wants what upstream's does, within its rates."""
    given = case["input"]
    found = apa(int(given["current_pods"]), given["current_use_per_pod"], given["target_value"], rates(given))
    assert found == case["expected"]["replicas"]


@pytest.mark.parametrize("case", of_kind(TABLE, "kpa"))
def test_kpa(case):
    """The variant of Knative's formula wants what upstream's does."""
    given = case["input"]
    panic = KpaInput(given["in_panic_mode"], given["max_panic_pods"], given["activation_scale"])
    means = (given["stable_value"], given["panic_value"])
    found = kpa(int(given["current_pods"]), *means, given["target_value"], rates(given), panic)
    assert found == case["expected"]["replicas"]
