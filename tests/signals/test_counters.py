"""Counters under restarts, and pods that come and go."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.signals.counters import Tally, Totals, accumulate, increase, tally


@pytest.mark.parametrize(("before", "after", "expected"), [(3, 5, 2), (5, 5, 0), (5, 2, 2), (5, 0, 0)])
def test_increase_counts_a_fall_as_a_restart(before: float, after: float, expected: float) -> None:
    """A counter that fell was reset, and all of its new value is increase."""
    assert increase(before, after) == expected


def follow(steps: list[tuple[dict[str, float], dict[str, float]]], start: float = 1000.0) -> list[float]:
    """Return the total after each step of readings and of the live pods' creation times, 15 s apart."""
    state: Tally | None = None
    totals = []
    for index, (readings, created_at) in enumerate(steps):
        state = tally(state, readings, created_at, start + 15 * index)
        totals.append(state.total)
    return totals


OLD, NEW = {"a": 10.0}, {"a": 10.0, "b": 1010.0}


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param([({"a": 500}, OLD), ({"a": 503}, OLD)], [0, 3], id="a pod from before counts from its first"),
        pytest.param([({"a": 5}, OLD), ({"a": 5, "b": 4}, NEW)], [0, 4], id="a pod created under watch counts whole"),
        pytest.param([({"a": 5}, OLD), ({"a": 2}, OLD)], [0, 2], id="a restart counts whole"),
        pytest.param([({"a": 5}, OLD), ({}, OLD), ({"a": 9}, OLD)], [0, 0, 4], id="a gap loses nothing"),
        pytest.param(
            [({"a": 5, "b": 7}, NEW), ({"a": 6, "b": 8}, NEW), ({"a": 6}, OLD)], [0 + 7, 9, 9], id="who left stays in"
        ),
        pytest.param([({}, {}), ({"a": 5}, {"a": 1001.0}), ({}, {})], [0, 5, 5], id="from zero pods to one and back"),
        pytest.param([({"a": math.nan}, OLD), ({"a": 5}, OLD), ({"a": -1}, OLD)], [0, 0, 0], id="no numbers"),
        pytest.param([({"a": 5, "dead": 9}, OLD), ({"a": 5, "dead": 99}, OLD)], [0, 0], id="dead pods' series"),
    ],
)
def test_tally(steps: list[Any], expected: list[float]) -> None:
    """Completions are counted once each, whatever the pods do."""
    assert follow(steps) == expected


def test_tally_holds_no_dead_pods() -> None:
    """What is remembered is bounded by the live pods."""
    state = tally(None, {"a": 1, "b": 2}, NEW, 2000.0)
    assert set(tally(state, {"a": 1}, OLD, 2015.0).readings) == {"a"}


events = st.lists(
    st.tuples(st.sampled_from(["serve", "restart", "miss", "replace", "read"]), st.integers(0, 2), st.integers(0, 9)),
    max_size=60,
)


@given(events=events)
def test_tally_is_monotone_and_never_counts_too_much(events: list[tuple[str, int, int]]) -> None:
    """Against a model that knows every request: never falling, never above the truth, exact without restarts."""
    now, served, restarted = 1000.0, 0, False
    pods = {f"pod-{slot}": [0, 500.0] for slot in range(3)}
    names = [f"pod-{slot}" for slot in range(3)]
    state = tally(None, {name: float(pods[name][0]) for name in names}, {n: pods[n][1] for n in names}, now)
    for index, (event, slot, amount) in enumerate(events):
        now += 15
        name = names[slot]
        silent = set()
        if event == "serve":
            pods[name][0] += amount
            served += amount
        elif event == "restart":
            pods[name][0] = 0
            restarted = True
        elif event == "miss":
            silent = {name}
        elif event == "replace":
            del pods[name]
            names[slot] = f"pod-{slot}-{index}"
            pods[names[slot]] = [amount, now]
            served += amount
        readings = {n: float(pods[n][0]) for n in names if n not in silent}
        after = tally(state, readings, {n: pods[n][1] for n in names}, now)
        assert after.total >= state.total
        state = after
    assert state.total <= served
    if not restarted:
        # What was served before the pod went silent and left is lost with it; nothing else is.
        assert state.total == served or any(event == "miss" for event, *_ in events)


def test_accumulate_takes_a_restart_for_all_counters() -> None:
    """Buckets that are past their old value are reset with the one that fell, so that the histogram stays whole."""
    state = accumulate(None, {"low": 10, "high": 12})
    state = accumulate(state, {"low": 4, "high": 15})
    assert state.totals == {"low": 4, "high": 15}


def test_accumulate_starts_new_counters_at_zero() -> None:
    """A series that appears at its first use counts with its whole value."""
    state = accumulate(accumulate(None, {"a": 7}), {"a": 8, "b": 2})
    assert state.totals == {"a": 1, "b": 2}
    assert accumulate(state, {"a": 8}).totals == {"a": 1, "b": 2}


@given(
    lives=st.lists(
        st.lists(st.dictionaries(st.sampled_from("abc"), st.integers(0, 50)), min_size=1, max_size=5), max_size=5
    )
)
def test_accumulated_totals_never_fall(lives: list[list[dict[str, int]]]) -> None:
    """Totals rise whatever the process does, and by what it served as far as that can be seen."""
    state: Totals | None = None
    for life in lives:
        counters: dict[str, float] = {}
        for served in life:
            counters = {key: counters.get(key, 0) + served.get(key, 0) for key in {*counters, *served}}
            before = state.totals if state else {}
            state = accumulate(state, counters)
            assert all(state.totals[key] >= total for key, total in before.items())


@given(readings=st.dictionaries(st.sampled_from("abc"), st.floats(allow_nan=True)))
def test_accumulate_leaves_out_what_is_no_count(readings: dict[str, float]) -> None:
    """NaN, infinite and negative readings leave no trace."""
    state = accumulate(accumulate(None, {"a": 1.0}), readings)
    assert all(math.isfinite(total) and total >= 0 for total in state.totals.values())
