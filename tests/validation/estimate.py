"""Means over independent seeds, with their confidence interval."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from scipy import stats

from autoscaler.simulator.fleet import SimulatedFleet, compiled_kernel

WARM_UP_SHARE = 0.1
"""Of the requests, the first ones, which are simulated but not measured."""


class Estimate(NamedTuple):
    """A mean over seeds, and the half width of its 99 % confidence interval (Student's t over the seeds' means)."""

    mean: float
    half_width: float

    def agrees(self, expected, tolerance):
        """Whether mean and interval are within a relative tolerance of what theory says, and the interval holds it."""
        close = abs(self.mean - expected) <= tolerance * expected
        sharp = self.half_width <= tolerance * expected
        return close and sharp and abs(self.mean - expected) <= self.half_width

    def against(self, expected):
        """Return a line for people."""
        return f"{self.mean / expected - 1:+.2%} +/- {self.half_width / expected:.2%} of {expected:.6g}"


def over_seeds(measure, seeds):
    """Return the estimate of `measure(random)` over generators of these seeds."""
    values = np.array([measure(np.random.default_rng(seed)) for seed in seeds])
    width = stats.t.ppf(0.995, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return Estimate(float(values.mean()), float(width))


def steady(values):
    """Return the values after the warm-up."""
    return values[int(WARM_UP_SHARE * len(values)) :]


def simulate(model, replicas, arrivals, prompts, outputs):
    """Return the results of a fixed fleet, long enough for all to end."""
    compiled = compiled_kernel()
    if compiled is None:
        pytest.skip("numba is not installed: millions of requests would take minutes")
    fleet = SimulatedFleet(model, iter([0.0] * replicas), compiled=compiled)
    fleet.add_requests(arrivals, prompts, outputs)
    fleet.scale_to(replicas, 0.0)
    fleet.advance(float(arrivals[-1]) + 1e6)
    return fleet.results()
