"""The summary's arithmetic, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from autoscaler.daemon.sandbox.summary import Served, Summary, gpu_hours, peak, serve, summary_lines

from . import scenes

NAN = float("nan")


def test_served_counts_the_late_and_leaves_out_the_undecided():
    """Two in time and one late; one that has waited 3500 s has missed; one that came a second ago may still meet it."""
    arrived = np.array([0.0, 1.0, 2.0, 100.0, 3599.0])
    first = np.array([0.5, 2.0, 5.0, NAN, NAN])
    assert serve(arrived, first, 3600.0, 2.0) == Served(1.0, pytest.approx(2.96), 0.5)


def test_first_token_that_is_still_to_come_does_not_count_yet():
    """The kernel may know it already; the present does not."""
    assert serve(np.array([10.0]), np.array([12.5]), 12.0, 2.5) == Served(None, None, None)


def test_gpu_hours_and_their_comparison():
    """Two replicas for an hour and one for half of it: 2.5 GPU-hours beside the 3 of a fixed fleet."""
    lives = [(0.0, 3600.0), (0.0, 3600.0), (1000.0, 2800.0)]
    summary = Summary(3600.0, 5, 3, Served(1.0, 3.0, 0.5), 2.0, gpu_hours(lives), peak(lives), Served(0.1, 0.2, 1.0))
    assert (summary.gpu_hours, summary.fixed_gpu_hours) == (2.5, 3.0)
    assert summary.saved_percent == pytest.approx(100 / 6)
    assert summary_lines(summary, scenes.SETTING) == (
        "60:00 minutes of Llama-3.1-8B on L40S; every figure is simulated",
        "  requests     5 arrived, 3 completed, 2 unfinished",
        "  autoscaled   2.50 GPU-hours; P99 of the first token 3.00 s, 50.0 % within 2 s",
        "  fixed at 3   3.00 GPU-hours; P99 of the first token 0.20 s, 100.0 % within 2 s",
        "  saved        17 % of the fixed fleet's GPU-hours",
    )


def test_run_without_requests_has_no_latency():
    """No request: no percentile and no attainment, and the text says so with dashes."""
    nothing = serve(np.empty(0), np.empty(0), 60.0, 2.0)
    assert nothing == Served(None, None, None)
    text = "\n".join(summary_lines(Summary(60.0, 0, 0, nothing, 2.0, 0.0, 0), scenes.SETTING))
    assert "P99 of the first token -, - within 2 s" in text
    assert "nan" not in text.lower()


def test_peak_counts_only_those_alive_together():
    """One that ends when the next begins is not counted twice."""
    assert peak([(0.0, 10.0), (10.0, 20.0), (5.0, 15.0)]) == 2
    assert peak([]) == 0
