"""What the run amounted to: requests, latency, and GPU-hours beside a fleet that always has its peak size."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from autoscaler.daemon.sandbox.scene import clock_text, quantity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from autoscaler.daemon.sandbox.scene import Setting

_SECONDS_PER_HOUR = 3600.0


class Summary(NamedTuple):
    """The figures of one run; all of them are simulated."""

    seconds: float
    """Simulated length."""
    requests: int
    completed: int
    unfinished: int
    """Still waiting or running at the end."""
    ttft_p50_seconds: float | None
    ttft_p99_seconds: float | None
    attainment: float | None
    """Share of the requests whose first token came within the objective."""
    objective_seconds: float
    gpu_hours: float
    """From each replica's creation to its end: loading and draining are paid for."""
    peak_replicas: int

    @property
    def fixed_gpu_hours(self) -> float:
        """What a fleet of the peak size would have used over the same time."""
        return self.peak_replicas * self.seconds / _SECONDS_PER_HOUR

    @property
    def saved_percent(self) -> float:
        """How much less than the fixed fleet."""
        return 100 * (1 - self.gpu_hours / self.fixed_gpu_hours) if self.fixed_gpu_hours else 0.0


def summarise(
    arrived_seconds: NDArray[np.float64],
    ttft_seconds: NDArray[np.float64],
    finished: int,
    lives: Sequence[tuple[float, float]],
    seconds: float,
    objective_seconds: float,
) -> Summary:
    """Return the figures of a run.

    `ttft_seconds` is by request, NaN for one without a first token; a request that waits longer than the objective
    already has missed it. `lives` are each replica's creation and end, in seconds since the start.
    """
    known = ttft_seconds[~np.isnan(ttft_seconds)]
    open_for = seconds - arrived_seconds[np.isnan(ttft_seconds)]
    met, missed = int((known <= objective_seconds).sum()), int((open_for > objective_seconds).sum())
    missed += int((known > objective_seconds).sum())
    return Summary(
        seconds,
        int(arrived_seconds.size),
        finished,
        int(arrived_seconds.size) - finished,
        float(np.quantile(known, 0.5)) if known.size else None,
        float(np.quantile(known, 0.99)) if known.size else None,
        met / (met + missed) if met + missed else None,
        objective_seconds,
        sum(min(end, seconds) - start for start, end in lives) / _SECONDS_PER_HOUR,
        peak(lives),
    )


def peak(lives: Sequence[tuple[float, float]]) -> int:
    """Return the most replicas that lived at the same time."""
    edges = sorted([(start, 1) for start, _ in lives] + [(end, -1) for _, end in lives])
    return int(np.cumsum([step for _, step in edges]).max(initial=0))


def summary_lines(summary: Summary, setting: Setting) -> tuple[str, ...]:
    """Return the summary as text, one figure a line."""
    attainment = None if summary.attainment is None else 100 * summary.attainment
    ttft = ", ".join(
        f"{name} {quantity(value, '{:.2f} s')}"
        for name, value in (("P50", summary.ttft_p50_seconds), ("P99", summary.ttft_p99_seconds))
    )
    fixed = f"a fixed fleet of {summary.peak_replicas}: {summary.fixed_gpu_hours:.2f}"
    return (
        f"{clock_text(summary.seconds)} minutes of {setting.hardware}; every figure is simulated",
        f"  requests      {summary.requests} arrived, {summary.completed} completed, {summary.unfinished} unfinished",
        f"  first token   {ttft}; {quantity(attainment, '{:.1f} %')} within {summary.objective_seconds:g} s",
        f"  GPU-hours     {summary.gpu_hours:.2f}; {fixed}, so {summary.saved_percent:.0f} % saved",
    )
