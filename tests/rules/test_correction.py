"""The factor on the usable share, moved by misses that a full fleet cannot explain."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.rules.correction import Correction, recall_correction, store_correction
from tests.rules.plays import L40S, bursts, fixed, play

USABLE = 0.8
SHORT, LONG = 110.0, 330.0
HOUR = 240


def after(bins, correction=None, fill=0.7, missed=0.0, requests=1.0, horizon=SHORT):
    """Return the correction after so many bins alike."""
    known = correction or Correction()
    for _ in range(bins):
        known = known.learn(fill, USABLE, requests, missed, horizon)
    return known


def test_before_anything_was_seen_the_share_is_as_stated():
    """Nothing in memory: a factor of one."""
    assert recall_correction({}).factor == 1.0


def test_misses_in_a_fleet_that_was_not_full_take_from_the_share():
    """A tenth of all requests missed while half of the usable share was used: in an hour the share is at its least."""
    assert after(8, fill=0.4, missed=0.1).factor < 0.98
    assert after(HOUR, fill=0.4, missed=0.1).factor == pytest.approx(0.6)


def test_misses_in_a_fleet_that_was_too_full_say_nothing_of_the_share():
    """Demand beyond the usable share: the forecast's fault, however many missed."""
    assert after(HOUR, fill=0.9, missed=1.0).factor == 1.0


def test_a_full_fleet_is_to_blame_for_as_long_as_latency_is_told_of():
    """Quantiles over two minutes still show the misses of a fleet that was too full; after them, misses count again."""
    full = after(1, fill=0.9)
    assert after(9, full, fill=0.3, missed=0.1).level == 0.0
    assert after(12, full, fill=0.3, missed=0.1).level < 0.0


def test_half_a_percent_of_misses_changes_nothing():
    """What is allowed is not counted against the share."""
    assert after(HOUR, fill=0.4, missed=0.005).factor == 1.0


def test_misses_are_saved_up_for_a_quarter_of_an_hour():
    """A third of a bin after an hour without misses is within what was allowed for 60 bins; half of one is not."""
    calm = after(HOUR, fill=0.4)
    assert after(1, calm, fill=0.4, missed=0.29).level == calm.level
    assert after(1, calm, fill=0.4, missed=0.5).level < calm.level


def test_what_was_taken_comes_back():
    """Hours without a miss give the share back, also where the fleet is never full, and no more than that."""
    low = after(HOUR, fill=0.4, missed=0.1)
    assert low.factor < after(HOUR, low, fill=0.4).factor < 1.0
    assert after(8 * HOUR, low, fill=0.4).factor == pytest.approx(1.0, abs=1e-3)


def test_a_nearly_full_fleet_without_misses_may_be_fuller():
    """An hour close to the usable share and nobody late: up to a twentieth more may be used."""
    assert 1.04 < after(HOUR, fill=0.75).factor <= math.exp(0.05)
    assert after(HOUR, fill=0.6).factor == 1.0


def test_where_starts_are_long_no_calm_hour_makes_a_fleet_fuller():
    """At a horizon of five minutes the factor does not exceed one, and comes down to it when starts become longer."""
    assert after(HOUR, fill=0.75, horizon=LONG).factor == 1.0
    assert after(1, after(HOUR, fill=0.75), fill=0.75, horizon=LONG).factor == 1.0


def test_what_was_tried_is_withdrawn_at_the_first_overdraft():
    """Above one it does not matter who is to blame: one bad bin takes all back, and does not go below one."""
    bold = after(2 * HOUR, fill=0.75)
    assert after(1, bold, fill=0.9, missed=1.0).level == pytest.approx(0.0, abs=1e-12)


def test_without_a_ready_replica_nothing_is_learned():
    """A fleet of nobody is neither nearly full nor not full."""
    assert after(HOUR, fill=math.inf).level == 0.0
    assert after(HOUR, fill=math.inf, missed=1.0).level == 0.0


_BINS = st.lists(
    st.tuples(st.floats(0.0, 3.0), st.floats(0.0, 20.0), st.floats(0.0, 20.0), st.sampled_from([45.0, 110.0, 330.0])),
    max_size=80,
)


@given(_BINS)
def test_the_factor_stays_within_its_bounds_and_the_memory_stays_small(bins):
    """Whatever comes: between 0.6 and 1.05, never above one at a long start, and ten fills remembered."""
    known = Correction()
    for fill, requests, missed, horizon in bins:
        known = known.learn(fill, USABLE, requests, min(missed, requests), horizon)
        assert 0.6 - 1e-9 <= known.factor <= math.exp(0.05) + 1e-9
        assert horizon < 300.0 or known.factor <= 1.0
        assert len(known.fills) <= 10
        assert 0.0 <= known.credit <= 0.3


@given(
    st.floats(math.log(0.6), 0.05), st.lists(st.floats(0.0, 2.0), max_size=10), st.floats(0.0, 0.3),
    st.floats(0.0, 2.0), st.floats(0.0, 10.0), st.floats(0.0, 10.0), st.floats(0.0, 10.0),
)  # fmt: skip
def test_of_two_bins_the_one_with_more_misses_never_leaves_the_larger_share(
    level, fills, credit, fill, requests, missed, more
):
    """Whatever was learned before: more misses in one bin, the same factor after it or a smaller one."""
    known = Correction(level, tuple(fills), credit)
    few = known.learn(fill, USABLE, requests, missed, SHORT)
    many = known.learn(fill, USABLE, requests, missed + more, SHORT)
    assert many.level <= few.level + 1e-12
    assert many.credit <= few.credit


def test_the_correction_survives_the_memory():
    """Through JSON and back: the level and credit exactly, fills to four digits, infinite ones included."""
    known = Correction(-0.1, (0.5, math.inf, 0.12345678), 0.2)
    found = recall_correction(json.loads(json.dumps(store_correction(known))))
    assert (found.level, found.credit) == (known.level, known.credit)
    assert found.fills == (0.5, math.inf, 0.1235)


@pytest.mark.parametrize("seed", [0, 1])
def test_bursts_shorter_than_any_start_teach_a_fleet_that_holds_them(seed):
    """Ten seconds of code completion every two minutes: after two hours there are as many replicas as a fleet needs.

    The smallest fleet that serves 99 % of it has 14; sized by the share as worked out it stays at 11, which is too few.
    """
    traffic = bursts(60.0, 7200.0, seed, prompt=2000.0, output=28.0)
    played = play(L40S, traffic, 8, tpot_seconds=0.1, seed=seed)
    assert fixed(L40S, traffic, 11, tpot_seconds=0.1) < 0.96
    assert fixed(L40S, traffic, played.wanted[-1], tpot_seconds=0.1) >= 0.99
    assert played.wanted[-1] <= 16
