"""Synthetic traffic: the same for the same seed, and shaped as asked."""

from __future__ import annotations

import numpy as np
import pytest

from autoscaler.documents.scenario import Bursts, Diurnal, GeneratedTraffic, IdleGaps, TokenLengths
from autoscaler.traces.synthetic import generate

BASE = GeneratedTraffic(requests_per_second=10.0)


def _counts(trace, seconds, width):
    return np.histogram(trace.arrival_seconds, np.arange(0, seconds + width, width))[0]


def test_the_seed_decides():
    """The same seed gives the same requests, another one others."""
    one, same, other = generate(BASE, 600.0, 1), generate(BASE, 600.0, 1), generate(BASE, 600.0, 2)
    for left, right in zip(one[1:4], same[1:4], strict=True):
        np.testing.assert_array_equal(left, right)
    assert one.arrival_seconds[0] != other.arrival_seconds[0]


def test_arrivals_are_sorted_within_the_time_and_poisson():
    """The rate is the one asked for, and counts in seconds have their mean as variance."""
    trace = generate(BASE, 2000.5, 3)
    assert (np.diff(trace.arrival_seconds) >= 0).all()
    assert 0 <= trace.arrival_seconds[0] < trace.arrival_seconds[-1] < 2000.5
    counts = _counts(trace, 2000, 1)
    assert pytest.approx(counts.mean(), rel=0.03) == 10
    assert counts.mean() == pytest.approx(counts.var(), rel=0.1)


def test_the_wave_swells_and_ebbs():
    """With an amplitude of 0.8, the first quarter's middle has nine times the requests of the third's."""
    traffic = GeneratedTraffic(requests_per_second=20.0, diurnal=Diurnal(amplitude=0.8, period_seconds=1000.0))
    counts = _counts(generate(traffic, 1000.0, 4), 1000, 50)
    assert pytest.approx(counts[4:6].mean(), rel=0.1) == 36 * 50
    assert pytest.approx(counts[14:16].mean(), rel=0.2) == 4 * 50


def test_bursts_and_gaps_come_and_go():
    """Bursts reach their multiple of the rate, gaps reach zero, and both take their share of the time."""
    bursts = Bursts(every_seconds=300.0, duration_seconds=60.0, factor=4.0)
    counts = _counts(generate(GeneratedTraffic(requests_per_second=10.0, bursts=bursts), 20_000.0, 5), 20_000, 10)
    assert pytest.approx((counts > 250).mean(), abs=0.05) == 60 / 360
    gaps = IdleGaps(every_seconds=300.0, duration_seconds=100.0)
    counts = _counts(generate(GeneratedTraffic(requests_per_second=10.0, idle_gaps=gaps), 20_000.0, 6), 20_000, 10)
    assert pytest.approx((counts == 0).mean(), abs=0.07) == 0.25


def test_lengths_have_their_mean_and_limit():
    """Lengths have the mean asked for, are at least 1 and are cut at the limit; a sigma of 0 makes them all alike."""
    traffic = GeneratedTraffic(
        requests_per_second=50.0,
        prompt_tokens=TokenLengths(mean=1000.0, sigma=1.0, limit=100_000),
        output_tokens=TokenLengths(mean=200.0, sigma=0.0),
    )
    trace = generate(traffic, 1000.0, 7)
    assert pytest.approx(trace.prompt_tokens.mean(), rel=0.03) == 1000
    assert {200} == set(trace.output_tokens.tolist())
    short = generate(
        traffic.model_copy(update={"prompt_tokens": TokenLengths(mean=3.0, sigma=2.0, limit=10)}), 100.0, 7
    )
    assert (short.prompt_tokens.min(), short.prompt_tokens.max()) == (1, 10)


def test_changing_lengths_leaves_arrivals():
    """Arrivals, prompts and outputs draw from streams of their own."""
    changed = BASE.model_copy(update={"output_tokens": TokenLengths(mean=50.0)})
    one, other = generate(BASE, 300.0, 8), generate(changed, 300.0, 8)
    np.testing.assert_array_equal(one.arrival_seconds, other.arrival_seconds)
    np.testing.assert_array_equal(one.prompt_tokens, other.prompt_tokens)
