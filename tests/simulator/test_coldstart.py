"""Cold starts: sums of lognormal phases, the same for the same seed."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from autoscaler.simulator.coldstart import COLD_STARTS, ColdStart, Phase, draws, lognormal, weights


def _draw(cold_start, seed, count):
    return list(itertools.islice(draws(cold_start, np.random.default_rng(seed)), count))


def test_without_jitter_each_start_takes_the_median():
    """A sigma of 0 gives the sum of the medians, always."""
    phases = ColdStart((Phase("node", 60.0), Phase("engine", 20.0)))
    assert pytest.approx(_draw(phases, 1, 5)) == [80.0] * 5
    assert phases.median_seconds == 80.0


def test_jitter_spreads_around_the_median():
    """One lognormal has its median and its sigma (2,000 draws)."""
    drawn = np.array(_draw(lognormal(80.0, 0.2), 2, 2000))
    assert pytest.approx(np.median(drawn), rel=0.02) == 80.0
    assert pytest.approx(np.log(drawn).std(), rel=0.05) == 0.2


def test_the_seed_decides():
    """The same seed draws the same starts, another one others."""
    assert _draw(COLD_STARTS["warm"], 3, 10) == _draw(COLD_STARTS["warm"], 3, 10)
    assert _draw(COLD_STARTS["warm"], 3, 10) != _draw(COLD_STARTS["warm"], 4, 10)


@pytest.mark.parametrize(
    ("name", "seconds"), [("hot-pool", 30), ("warm", 80), ("cold-caches", 300), ("cold-node", 420), ("worst", 900)]
)
def test_presets_add_up(name, seconds):
    """Each preset's phases add up to the figure that it is known by."""
    assert seconds == COLD_STARTS[name].median_seconds


def test_weights_take_bytes_by_bandwidth():
    """16 GB at 2 GB/s, opened within half a second, take 8.5 s."""
    assert weights(16.0, 2.0, 0.5, 0.1) == ("weights", 8.5, 0.1)
