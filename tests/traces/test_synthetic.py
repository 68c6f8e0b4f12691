"""Synthetic traffic: the same for the same seed, and shaped as asked."""

from __future__ import annotations

import numpy as np
import pytest

from autoscaler.documents.scenario import (
    Bursts,
    Diurnal,
    FlashCrowd,
    GapFamily,
    Gaps,
    GeneratedTraffic,
    IdleGaps,
    TokenLengths,
    Weekly,
)
from autoscaler.errors import TraceError
from autoscaler.traces.gaps import draw, shape_of, whole_counts
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


@pytest.mark.parametrize("family", [GapFamily.GAMMA, GapFamily.WEIBULL])
@pytest.mark.parametrize("cv", [0.05, 0.5, 1.0, 3.0])
def test_gaps_have_their_mean_and_cv(family, cv):
    """Each family has the mean 1 and the CV asked for, below that of Poisson and above."""
    gaps = draw(family, shape_of(family, cv), 400_000, np.random.Generator(np.random.PCG64(9)))
    assert gaps.mean() == pytest.approx(1, rel=0.02)
    assert gaps.std() / gaps.mean() == pytest.approx(cv, rel=0.04)


@pytest.mark.parametrize("family", [GapFamily.GAMMA, GapFamily.WEIBULL])
def test_bursty_traffic_has_its_rate_and_its_cv(family):
    """At a constant rate, the gaps between requests have the mean 1/rate and the CV; counts vary CV² times as much."""
    traffic = GeneratedTraffic(requests_per_second=50.0, gaps=Gaps(family=family, cv=2.0))
    trace = generate(traffic, 20_000.0, 10)
    gaps = np.diff(trace.arrival_seconds)
    assert len(trace.arrival_seconds) == pytest.approx(1_000_000, rel=0.01)
    assert gaps.std() / gaps.mean() == pytest.approx(2, rel=0.02)
    counts = _counts(trace, 20_000, 20)
    assert counts.var() / counts.mean() == pytest.approx(4, rel=0.15)


def test_the_gaps_family_leaves_the_rate():
    """Wave and lengths stay while arrivals come in clumps."""
    wave = Diurnal(amplitude=0.8, period_seconds=10_000.0)
    plain = GeneratedTraffic(requests_per_second=20.0, diurnal=wave)
    bursty = plain.model_copy(update={"gaps": Gaps(family=GapFamily.GAMMA, cv=3.0)})
    one, other = (_counts(generate(traffic, 10_000.0, 11), 10_000, 2500) for traffic in (plain, bursty))
    np.testing.assert_allclose(one, other, rtol=0.1)


def test_days_have_their_factors():
    """The second day has half the requests of the first, the third none, and after the seventh comes the first."""
    days = Weekly(day_factors=(1.0, 0.5, 0.0, 1.0, 1.0, 1.0, 2.0))
    trace = generate(GeneratedTraffic(requests_per_second=0.2, weekly=days), 8 * 86400.0, 12)
    counts = _counts(trace, 8 * 86400, 86400) / (0.2 * 86400)
    np.testing.assert_allclose(counts, [1, 0.5, 0, 1, 1, 1, 2, 1], atol=0.04)


def test_a_flash_crowd_climbs_stays_and_fades():
    """Before it the rate is 1, at its height the factor; one decay time later 37 % of the rest is left."""
    crowd = FlashCrowd(at_seconds=1000.0, factor=11.0, rise_seconds=200.0, hold_seconds=400.0, decay_seconds=500.0)
    trace = generate(GeneratedTraffic(requests_per_second=100.0, flash_crowds=(crowd,)), 6000.0, 13)
    counts = _counts(trace, 6000, 20) / 2000
    assert counts[:50].mean() == pytest.approx(1, rel=0.03)
    assert counts[54:56].mean() == pytest.approx(6, rel=0.05)
    assert counts[60:80].mean() == pytest.approx(11, rel=0.03)
    assert counts[104:106].mean() == pytest.approx(1 + 10 * np.exp(-1), rel=0.05)
    assert counts[280:].mean() == pytest.approx(1, rel=0.05)


def test_a_crowd_may_come_and_go_at_once():
    """Without rise and decay it is a box."""
    crowd = FlashCrowd(at_seconds=100.0, factor=5.0, rise_seconds=0.0, hold_seconds=100.0, decay_seconds=0.0)
    counts = _counts(generate(GeneratedTraffic(requests_per_second=200.0, flash_crowds=(crowd,)), 300.0, 14), 300, 100)
    np.testing.assert_allclose(counts / 20_000, [1, 5, 1], rtol=0.03)


def test_a_rate_of_zero_makes_no_request():
    """Seven days without traffic are an empty trace and no error."""
    nothing = Weekly(day_factors=(0.0,) * 7)
    assert not len(generate(GeneratedTraffic(requests_per_second=5.0, weekly=nothing), 600.0, 15).arrival_seconds)


def test_too_much_is_refused_before_it_is_made():
    """A rate or a time with too many zeros must not take all memory."""
    with pytest.raises(TraceError, match="at most 200000000 requests"):
        generate(GeneratedTraffic(requests_per_second=1e9), 600.0, 16)
    with pytest.raises(TraceError, match=r"at most 1e\+08 seconds"):
        generate(BASE, 1e12, 16)


def test_lognormal_lengths_have_their_cv():
    """The CV is sqrt(exp(sigma²) - 1)."""
    lengths = TokenLengths(mean=5000.0, sigma=0.5, limit=1_000_000)
    prompts = generate(GeneratedTraffic(requests_per_second=50.0, prompt_tokens=lengths), 4000.0, 17).prompt_tokens
    assert prompts.mean() == pytest.approx(5000, rel=0.01)
    assert prompts.std() / prompts.mean() == pytest.approx(np.sqrt(np.exp(0.25) - 1), rel=0.02)


def test_whole_counts_have_their_mean():
    """Over many seeds, windows of 0.3 and 1.6 requests have as many in the mean, and their sum is never off by one."""
    streams = [np.random.Generator(np.random.PCG64(seed)) for seed in range(4000)]
    found = np.array([whole_counts(np.array([0.3, 1.6]), stream) for stream in streams])
    np.testing.assert_allclose(found.mean(axis=0), [0.3, 1.6], atol=0.03)
    assert set(found.sum(axis=1).tolist()) == {1, 2}
