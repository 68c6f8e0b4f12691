"""Quantiles of cumulative histograms, as Prometheus' `histogram_quantile` computes them.

Source: `BucketQuantile` and `ensureMonotonicAndIgnoreSmallDeltas` in prometheus/prometheus `promql/quantile.go`.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping

Buckets = Mapping[float, float]
"""Upper bound to how many observations (or observations per second) are at or below it; +Inf holds them all."""

_SMALL_DELTA = 1e-12
"""Relative difference of two counts that is rounding, not data: upstream's `smallDeltaTolerance`."""


def merge(parts: Iterable[Buckets]) -> dict[float, float]:
    """Return the sum of several histograms, bound by bound, as `sum by (le)` does."""
    merged: dict[float, float] = {}
    for part in parts:
        for bound, count in part.items():
            merged[bound] = merged.get(bound, 0.0) + count
    return merged


def observations(buckets: Buckets) -> float:
    """Return how many observations the histogram holds; 0 for an empty one."""
    return buckets.get(math.inf, 0.0)


def quantile(q: float, buckets: Buckets) -> float:
    """Return the q-quantile, interpolated linearly within its bucket; 0 <= q <= 1.

    NaN without observations, without a +Inf bucket, with fewer than two buckets or with a NaN among the counts. The
    last finite bound when the quantile falls into the +Inf bucket: no histogram can say more. The lowest bucket
    starts at 0, unless its own bound is not above 0, which is then the answer.
    Worked example: {1: 2, 3: 6, inf: 8}, q = 0.5: rank 4 is the second of the four in (1, 3], so 1 + 2 * 2/4 = 2.
    """
    if not 0 <= q <= 1:
        raise ValueError(f"quantile {q}: must be within [0, 1]")
    bounds = sorted(buckets)
    if len(bounds) < 2 or bounds[-1] != math.inf:
        return math.nan
    counts = _monotonic([buckets[bound] for bound in bounds])
    if math.isnan(sum(counts)) or counts[-1] == 0:
        return math.nan
    rank = q * counts[-1]
    index = bisect_left(counts, rank, hi=len(counts) - 1)
    if index == len(counts) - 1:
        return bounds[-2]
    if index == 0 and bounds[0] <= 0:
        return bounds[0]
    start, below = (bounds[index - 1], counts[index - 1]) if index else (0.0, 0.0)
    inside = counts[index] - below
    return start + (bounds[index] - start) * (rank - below) / inside if inside else math.nan


def _monotonic(counts: list[float]) -> list[float]:
    """Return the counts without decreases: scrapes that straddle an update, and rounding, produce some."""
    result = counts[:1]
    for count in counts[1:]:
        previous = result[-1]
        rounding = abs(count - previous) < _SMALL_DELTA * (abs(count) + abs(previous))
        result.append(previous if rounding or count < previous else count)
    return result
