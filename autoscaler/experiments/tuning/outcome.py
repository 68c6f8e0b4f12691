"""What a setting came to: one run, and the runs of several seeds together."""

from __future__ import annotations

import math
from statistics import fmean
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autoscaler.experiments.score import Score

SLACK = 0.005
"""A single seed may miss the target by this much, where the mean does not."""


class Outcome(NamedTuple):
    """One run."""

    slo_attainment: float
    gpu_hours: float
    cost_usd: float
    cold_starts: float
    ttft_p99_seconds: float
    """Of those that got a first token; infinity where none did."""
    unanswered: float
    """The share of requests that were refused, given up, lost or left unfinished."""

    @classmethod
    def of(cls, score: Score) -> Outcome:
        """Return what is compared of a score."""
        p99 = score.ttft_seconds.p99
        unanswered = score.rejected + score.timed_out + score.unfinished + score.failed
        return cls(
            score.slo_attainment,
            score.gpu_hours,
            score.cost_usd,
            float(score.cold_starts),
            math.inf if math.isnan(p99) else p99,
            unanswered / max(1, score.requests),
        )


class Summary(NamedTuple):
    """Means over seeds, and the worst seed."""

    mean: Outcome
    lowest_attainment: float

    def meets(self, target: float) -> bool:
        """Return whether the mean reaches the target, and no seed misses it by more than half a point."""
        return self.mean.slo_attainment >= target and self.lowest_attainment >= target - SLACK

    def nearly_meets(self, target: float) -> bool:
        """Return whether the mean misses the target by no more than half a point."""
        return self.mean.slo_attainment >= target - SLACK

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, with null for what is not known."""
        figures = {name: value if math.isfinite(value) else None for name, value in self.mean._asdict().items()}
        figures["slo_attainment"] = {"mean": self.mean.slo_attainment, "lowest": self.lowest_attainment}
        return figures


def summary(outcomes: Sequence[Outcome]) -> Summary:
    """Return the runs of several seeds together."""
    columns = zip(*outcomes, strict=True)
    return Summary(Outcome(*map(fmean, columns)), min(outcome.slo_attainment for outcome in outcomes))


def frontier(summaries: Sequence[Summary]) -> list[bool]:
    """Return of each whether no other attains as much for less, or more for as much."""
    points = [(one.mean.gpu_hours, -one.mean.slo_attainment) for one in summaries]
    return [not any(_beats(other, point) for other in points) for point in points]


def _beats(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one != other and one[0] <= other[0] and one[1] <= other[1]
