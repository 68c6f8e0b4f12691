"""The share of requests that missed: from three quantiles, the mean pace, and how long short requests stay."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.engine.observation import Quality
from autoscaler.rules.arrivals import Bin
from autoscaler.rules.misses import NEEDS, Stay, late_share, recall_stay, slow_share, store_stay
from autoscaler.rules.usable import Replica
from tests.rules.builders import signal

TTFT = 2.0
SECONDS = 15.0
CHAT = Replica(0.0064, 0.05, 211.0, 0.038, 0.6)
CODE = Replica(0.022, 0.1, 28.0, 0.138, 0.9)
"""An L40S that reads 2,000 tokens and writes 28: 0.12 s and 0.6 s without company."""


def late(*ttfts):
    """Return the share for these quantiles of the first token."""
    return late_share({one.key: signal(one.key, value) for one, value in zip(NEEDS, ttfts, strict=False)}, TTFT)


def slow(pace_seconds, running=100.0, ready=1):
    """Return the share of long answers for this mean pace of their tokens."""
    bin_ = Bin(SECONDS, 100.0, 100.0, 1e5, running * SECONDS / pace_seconds)
    return slow_share(Stay(), bin_, running, ready, CHAT)


def stayed(mean_seconds, fill, replicas=10, requests=150.0):
    """Return the share of short answers when the mean request stayed for so long in a fleet so full."""
    running = mean_seconds * requests / SECONDS
    bin_ = Bin(SECONDS, requests, requests, 2000.0 * requests, 28.0 * requests, running)
    stay = Stay().learn(bin_, fill * replicas * SECONDS / requests, replicas)
    return slow_share(stay, bin_, running, replicas, CODE)


def test_nothing_late_is_no_miss():
    """All three quantiles within the objective: exactly none."""
    assert late(1.0, 1.5, 2.0) == 0.0


@pytest.mark.parametrize(
    ("ttfts", "least", "most"),
    [((1.0, 1.5, 2.1), 0.01, 0.03), ((1.0, 2.1, 2.2), 0.03, 0.1), ((2.1, 2.2, 2.3), 0.1, 1.0)],
)
def test_late_first_tokens_are_between_the_quantiles_that_tell(ttfts, least, most):
    """The first of 0.9, 0.97 and 0.99 that is late bounds the share from below, the one before it from above."""
    assert least < late(*ttfts) < most


@given(st.tuples(*[st.floats(0.1, 10.0)] * 3).map(sorted), st.floats(1.0, 3.0))
def test_later_first_tokens_are_never_fewer_misses(ttfts, factor):
    """All quantiles later by one factor: as many misses or more."""
    assert late(*[one * factor for one in ttfts]) >= late(*ttfts)


def test_without_quantiles_lateness_is_not_known_and_not_guessed():
    """A backend without a histogram of the first token shows no late request, nor does one that nobody used."""
    assert late() == 0.0
    assert late_share({one.key: signal(one.key, Quality.NAN) for one in NEEDS}, TTFT) == 0.0


@pytest.mark.parametrize(("pace_seconds", "expected"), [(0.044, 0.0), (0.05, 0.2), (0.06, 0.6), (0.08, 1.0)])
def test_a_pace_near_the_objective_is_the_first_sign(pace_seconds, expected):
    """Long answers, well below 50 ms a token none, at it a fifth, 20 % beyond most, far beyond all."""
    assert slow(pace_seconds) == pytest.approx(expected, abs=1e-6)


def test_a_few_requests_say_nothing_of_the_pace():
    """Fewer than eight running per replica at the moment of a scrape may be any; eight begin to count."""
    assert slow(0.2, running=7.0) == 0.0
    assert slow(0.2, running=8.0) == 1.0
    assert slow(0.2, running=79.0, ready=10) == 0.0
    assert slow(0.2, running=80.0, ready=10) == 1.0


def test_a_pace_without_tokens_is_no_pace():
    """Requests that run and bring no token, as while a long prompt is read, are not called slow."""
    assert slow_share(Stay(), Bin(SECONDS, 0.0, 0.0, 0.0, 0.0), 100.0, 1, CHAT) == 0.0


def test_short_answers_that_stay_as_long_as_the_load_explains_are_in_time():
    """0.74 s without company are 0.92 s in a fleet that is a fifth full, and 1.5 s in one that is half full."""
    assert stayed(0.92, 0.2) == 0.0
    assert stayed(1.5, 0.5) == 0.0


def test_a_burst_within_a_bin_shows_in_how_long_short_answers_stay():
    """In a fleet that is a fifth full on the mean 2.4 s cannot be explained, and the half of the excess have missed.

    The excess is 2.4 - 0.92 of the 2.96 s that such an answer may take on the mean, 0.50; less 0.14, halved: 0.18.
    """
    assert stayed(2.4, 0.2) == pytest.approx(0.18, abs=0.01)


@given(st.floats(0.1, 20.0), st.floats(1.0, 3.0), st.floats(0.0, 0.85))
def test_a_longer_stay_is_never_fewer_misses(mean_seconds, factor, fill):
    """At one load, requests that stay for longer have missed as often or more, and never more than all."""
    assert stayed(mean_seconds, fill) <= stayed(factor * mean_seconds, fill) <= 1.0


@given(st.floats(0.1, 20.0), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_a_fuller_fleet_explains_a_longer_stay(mean_seconds, fill, more):
    """The same stay at a higher load is no more misses, and in a full fleet it tells none: others count those."""
    assert stayed(mean_seconds, min(1.0, fill + more)) <= stayed(mean_seconds, fill)
    assert stayed(mean_seconds, 0.95) == 0.0


def test_a_fleet_with_nobody_tells_nothing():
    """Neither requests nor replicas: no share, and no division by them."""
    assert Stay().slow_share(CODE) == 0.0
    assert Stay().learn(Bin(SECONDS, 10.0, 10.0, 0.0, 0.0, 50.0), 0.1, 0).slow_share(CODE) == 0.0


def test_a_stay_is_forgotten_within_minutes():
    """A burst that was over five minutes ago weighs a hundredth of the requests since."""
    burst = Stay().learn(Bin(SECONDS, 1000.0, 1000.0, 0.0, 0.0, 500.0), 0.1, 10)
    calm = burst
    for _ in range(20):
        calm = calm.learn(Bin(SECONDS, 100.0, 100.0, 0.0, 0.0, 5.0), 0.1, 10)
    assert burst.slow_share(CODE) > 0.8
    assert calm.slow_share(CODE) == 0.0


def test_a_stay_survives_the_memory():
    """What is stored is what is recalled; an empty memory is a stay of nobody."""
    stay = Stay(1.0, 2.0, 3.0, 4.0)
    assert recall_stay(store_stay(stay)) == stay
    assert recall_stay({}) == Stay()
