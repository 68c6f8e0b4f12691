"""What the run amounted to: requests, latency, and GPU-hours, beside a fleet that has its peak size all along."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from autoscaler.daemon.sandbox.scene import clock_text, quantity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from autoscaler.daemon.sandbox.scene import Setting

_SECONDS_PER_HOUR = 3600.0


class Served(NamedTuple):
    """How requests were served; None where there was none."""

    p50_seconds: float | None
    """Of the time to first token, as the rest."""
    p99_seconds: float | None
    attainment: float | None
    """Share of the requests whose first token came within the objective."""


class Summary(NamedTuple):
    """The figures of one run; all of them are simulated."""

    seconds: float
    """Simulated length."""
    requests: int
    completed: int
    served: Served
    objective_seconds: float
    gpu_hours: float
    """From each replica's creation to its end: loading and draining are paid for."""
    peak_replicas: int
    fixed: Served | None = None
    """The same requests on a fleet that always has the peak's size; None if that was not played."""

    @property
    def unfinished(self) -> int:
        """Requests still waiting or running at the end."""
        return self.requests - self.completed

    @property
    def fixed_gpu_hours(self) -> float:
        """What a fleet of the peak's size uses over the same time."""
        return self.peak_replicas * self.seconds / _SECONDS_PER_HOUR

    @property
    def saved_percent(self) -> float:
        """How much less than the fixed fleet."""
        return 100 * (1 - self.gpu_hours / self.fixed_gpu_hours) if self.fixed_gpu_hours else 0.0


def serve(
    arrived_seconds: NDArray[np.float64], first_seconds: NDArray[np.float64], seconds: float, objective_seconds: float
) -> Served:
    """Return how requests were served that arrived, and had their first token, at these seconds; NaN for not yet.

    One that has waited for longer than the objective has missed it; one that still may meet it does not count.
    """
    waits = np.where(first_seconds <= seconds, first_seconds, np.inf) - arrived_seconds
    known = waits[np.isfinite(waits)]
    met, late = int((known <= objective_seconds).sum()), int((known > objective_seconds).sum())
    late += int((seconds - arrived_seconds[~np.isfinite(waits)] > objective_seconds).sum())
    return Served(
        float(np.quantile(known, 0.5)) if known.size else None,
        float(np.quantile(known, 0.99)) if known.size else None,
        met / (met + late) if met + late else None,
    )


def gpu_hours(lives: Sequence[tuple[float, float]]) -> float:
    """Return the sum of all lives, given as creation and end in seconds, in hours."""
    return sum(end - start for start, end in lives) / _SECONDS_PER_HOUR


def peak(lives: Sequence[tuple[float, float]]) -> int:
    """Return the most replicas that lived at the same time."""
    edges = sorted([(start, 1) for start, _ in lives] + [(end, -1) for _, end in lives])
    return int(np.cumsum([step for _, step in edges]).max(initial=0))


def summary_lines(summary: Summary, setting: Setting) -> tuple[str, ...]:
    """Return the summary as text, one figure a line."""
    counts = f"{summary.requests} arrived, {summary.completed} completed, {summary.unfinished} unfinished"
    fixed = _served(summary.fixed, summary.objective_seconds) if summary.fixed else ""
    return (
        f"{clock_text(summary.seconds)} minutes of {setting.hardware}; every figure is simulated",
        f"  requests     {counts}",
        f"  autoscaled   {summary.gpu_hours:.2f} GPU-hours; {_served(summary.served, summary.objective_seconds)}",
        f"  fixed at {summary.peak_replicas:<3} {summary.fixed_gpu_hours:.2f} GPU-hours{fixed and f'; {fixed}'}",
        f"  saved        {summary.saved_percent:.0f} % of the fixed fleet's GPU-hours",
    )


def _served(served: Served, objective_seconds: float) -> str:
    percent = None if served.attainment is None else 100 * served.attainment
    p99 = quantity(served.p99_seconds, "{:.2f} s")
    return f"P99 of the first token {p99}, {quantity(percent, '{:.1f} %')} within {objective_seconds:g} s"
