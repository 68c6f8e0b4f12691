"""The share of requests that missed, from three quantiles and the mean pace."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.engine.observation import Quality
from autoscaler.rules.arrivals import Bin, Reading
from autoscaler.rules.misses import NEEDS, missed_share
from tests.rules.builders import NOW, signal

TTFT, TPOT = 2.0, 0.05
SECONDS = 15.0


def reading(running=100.0, waiting=0.0):
    """Return a reading with so many requests in flight."""
    return Reading(NOW, 0.0, 0.0, 0.0, waiting, running + waiting)


def share(ttfts=(), pace_seconds=0.01, running=100.0):
    """Return the share for these quantiles of the first token and this mean pace of the others."""
    signals = {one.key: signal(one.key, value) for one, value in zip(NEEDS, ttfts, strict=False)}
    tokens = running * SECONDS / pace_seconds
    return missed_share(signals, reading(running), Bin(SECONDS, 100.0, 100.0, 1e5, tokens), TTFT, TPOT)


def test_nothing_late_and_nothing_slow_is_no_miss():
    """All three quantiles within the objective and a pace far below it: exactly none."""
    assert share((1.0, 1.5, 2.0)) == 0.0


@pytest.mark.parametrize(
    ("ttfts", "least", "most"),
    [((1.0, 1.5, 2.1), 0.01, 0.03), ((1.0, 2.1, 2.2), 0.03, 0.1), ((2.1, 2.2, 2.3), 0.1, 1.0)],
)
def test_late_first_tokens_are_between_the_quantiles_that_tell(ttfts, least, most):
    """The first of 0.9, 0.97 and 0.99 that is late bounds the share from below, the one before it from above."""
    assert least < share(ttfts) < most


@given(st.tuples(*[st.floats(0.1, 10.0)] * 3).map(sorted), st.floats(1.0, 3.0))
def test_later_first_tokens_are_never_fewer_misses(ttfts, factor):
    """All quantiles later by one factor: as many misses or more."""
    assert share([one * factor for one in ttfts]) >= share(ttfts)


def test_without_quantiles_lateness_is_not_known_and_not_guessed():
    """A backend without a histogram of the first token shows no late request, nor does one that nobody used."""
    assert share(()) == 0.0
    signals = {one.key: signal(one.key, Quality.NAN) for one in NEEDS}
    assert missed_share(signals, reading(), Bin(SECONDS, 0.0, 0.0, 0.0, 0.0), TTFT, TPOT) == 0.0


@pytest.mark.parametrize(("pace_seconds", "expected"), [(0.044, 0.0), (0.05, 0.2), (0.06, 0.6), (0.08, 1.0)])
def test_a_pace_near_the_objective_is_the_first_sign(pace_seconds, expected):
    """Well below 50 ms a token none, at it a fifth, 20 % beyond most, far beyond all."""
    assert share((1.0, 1.5, 1.9), pace_seconds) == pytest.approx(expected, abs=1e-6)


def test_a_few_requests_say_nothing_of_the_pace():
    """Seven running at the moment of a scrape may be any seven; eight begin to count."""
    assert share((), 0.2, running=7.0) == 0.0
    assert share((), 0.2, running=8.0) == 1.0


def test_waiting_requests_do_not_pass_for_slow_ones():
    """The pace is that of running requests: a queue alone makes no token slow."""
    tokens = 100.0 * SECONDS / 0.02
    bin_ = Bin(SECONDS, 100.0, 100.0, 1e5, tokens)
    assert missed_share({}, reading(100.0, waiting=900.0), bin_, TTFT, TPOT) == 0.0


def test_the_worse_of_both_counts():
    """Late first tokens and slow others are one request's misses as often as not: the larger share, not the sum."""
    assert share((2.1, 2.2, 2.3), 0.06) == pytest.approx(max(share((2.1, 2.2, 2.3)), share((), 0.06)))
    assert share((1.0, 1.0, 2.1), 0.06) == pytest.approx(share((), 0.06))
