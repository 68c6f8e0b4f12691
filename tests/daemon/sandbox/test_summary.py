"""The summary's arithmetic, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from autoscaler.daemon.sandbox.summary import peak, summarise, summary_lines

from . import scenes

NAN = float("nan")


def test_figures_of_a_small_run():
    """Two replicas for an hour and one for half of it: 2.5 GPU-hours beside 3; 2 of 4 known requests in time."""
    lives = [(0.0, 5000.0), (0.0, 5000.0), (1000.0, 2800.0)]
    summary = summarise(
        np.array([0.0, 1.0, 2.0, 100.0, 3599.0]), np.array([0.5, 1.0, 3.0, NAN, NAN]), 3, lives, 3600.0, 2.0
    )
    assert (summary.requests, summary.completed, summary.unfinished) == (5, 3, 2)
    assert summary.ttft_p50_seconds == 1.0
    assert summary.attainment == 0.5
    assert summary.gpu_hours == pytest.approx(2.5)
    assert (summary.peak_replicas, summary.fixed_gpu_hours) == (3, pytest.approx(3.0))
    assert summary.saved_percent == pytest.approx(100 / 6)


def test_run_without_requests_has_no_latency():
    """No request: no percentile and no attainment, and the text says so with dashes."""
    summary = summarise(np.empty(0), np.empty(0), 0, [(0.0, 60.0)], 60.0, 2.0)
    assert summary.ttft_p99_seconds is None
    assert summary.attainment is None
    text = "\n".join(summary_lines(summary, scenes.SETTING))
    assert "P50 -, P99 -" in text
    assert "simulated" in text
    assert "nan" not in text.lower()


def test_peak_counts_only_those_alive_together():
    """One that ends when the next begins is not counted twice."""
    assert peak([(0.0, 10.0), (10.0, 20.0), (5.0, 15.0)]) == 2
    assert peak([]) == 0
