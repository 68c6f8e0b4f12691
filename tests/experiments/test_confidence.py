"""Intervals over a few seeds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from autoscaler.experiments.confidence import estimate, t_975


def test_the_quantile_is_that_of_student():
    """Table and expansion agree with scipy."""
    stats = pytest.importorskip("scipy.stats")
    for freedom in (*range(1, 60), 100, 1000, 10**6):
        assert t_975(freedom) == pytest.approx(float(stats.t.ppf(0.975, freedom)), abs=2e-6)


def test_an_interval_by_hand():
    """1, 2, 3: mean 2, deviation 1, so 4.302653 / sqrt(3) to both sides."""
    found = estimate([1.0, 2.0, 3.0])
    assert found.mean == 2.0
    assert found.half_width == pytest.approx(4.302653 / math.sqrt(3))
    assert found.to_json() == pytest.approx({"mean": 2.0, "low": -0.484138, "high": 4.484138}, abs=1e-5)


def test_a_single_value_has_no_interval():
    """One seed says nothing of the spread, and none says nothing at all."""
    assert estimate([7.0]).to_json() == {"mean": 7.0, "low": None, "high": None}
    assert estimate([]).to_json() == {"mean": None, "low": None, "high": None}


def test_intervals_hold_the_true_mean_as_often_as_they_say():
    """Over 4,000 samples of five normal values, 95 % of the intervals hold the mean, within a percent."""
    values = np.random.default_rng(7).normal(3.0, 2.0, (4000, 5))
    held = [abs(found.mean - 3.0) <= found.half_width for found in map(estimate, values.tolist())]
    assert np.mean(held) == pytest.approx(0.95, abs=0.01)
