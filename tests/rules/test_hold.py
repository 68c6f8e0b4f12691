"""The highest count of a window, in few entries."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.rules.hold import hold


def held(counts, window_seconds, every_seconds=15.0, key="held"):
    """Return what is held after each count, and the memory at the end."""
    memory, found = {}, []
    for place, count in enumerate(counts):
        highest, changed = hold(memory, count, window_seconds, place * every_seconds, key)
        memory = {**memory, **changed}
        found.append(highest)
    return found, memory


@given(st.lists(st.integers(0, 50), min_size=1, max_size=80), st.integers(1, 20))
def test_what_is_held_is_the_highest_of_the_window(counts, window):
    """As a plain list would say, with fewer entries."""
    found, memory = held(counts, float(window), 1.0)
    assert found == [max(counts[max(0, at - window) : at + 1]) for at in range(len(counts))]
    assert len(memory["held"].split(",")) <= window + 1


def test_only_counts_that_can_still_be_the_highest_are_kept():
    """After 5, 3, 4 the 3 is gone: while it is in the window, so is the 4."""
    assert held([5, 3, 4], 600.0)[1] == {"held": "0.0:5,30.0:4"}


def test_a_count_that_stays_is_one_entry():
    """The newest of equal counts outlasts the others: memory does not grow with the window."""
    assert held([4] * 100, 3600.0)[1] == {"held": "1485.0:4"}


@pytest.mark.parametrize(("window_seconds", "steps"), [(120.0, 9), (300.0, 21), (80.0, 6)])
def test_a_peak_is_let_go_just_after_the_window(window_seconds, steps):
    """One look at 9 and then 2: it is 9 for as long as the window is, its last moment included."""
    found, _ = held([9, *[2] * 40], window_seconds)
    assert found == [9] * steps + [2] * (41 - steps)


def test_a_higher_count_begins_a_window_of_its_own():
    """Each peak is held from its own moment: 5 at 0 s and 6 at 60 s are 6 until 180 s."""
    found, _ = held([5, 1, 1, 1, 6, *[1] * 10], 120.0)
    assert found == [5] * 4 + [6] * 9 + [1] * 2


def test_a_window_that_grows_holds_what_is_still_remembered():
    """A cold start that turns out longer holds a count that the shorter window was about to let go."""
    memory = hold({}, 7, 120.0, 0.0)[1]
    memory = hold(memory, 2, 120.0, 90.0)[1]
    assert hold(memory, 2, 120.0, 130.0)[0] == 2
    assert hold(memory, 2, 300.0, 130.0)[0] == 7


def test_two_keys_do_not_mix():
    """What is held under one key says nothing of another one."""
    memory = hold({}, 9, 600.0, 0.0, "held")[1]
    highest, changed = hold(memory, 1, 600.0, 15.0, "held.foreseen")
    assert highest == 1
    assert changed == {"held.foreseen": "15.0:1"}


def test_moments_survive_json_exactly():
    """Times are written in full, so what comes back is held to the same moment."""
    now = 1_700_000_000.123456
    memory = json.loads(json.dumps(hold({}, 3, 60.0, now)[1]))
    assert hold(memory, 1, 60.0, now + 60.0)[0] == 3
    assert hold(memory, 1, 60.0, now + 60.001)[0] == 1
