"""Quantiles as Prometheus' `histogram_quantile` gives them."""

from __future__ import annotations

import math
from bisect import bisect_left
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.signals.histogram import merge, observations, quantile

INF = math.inf
BOUNDS = [0.1, 0.5, 1.0, 2.5, 10.0]


@pytest.mark.parametrize(
    ("q", "buckets", "expected"),
    [
        pytest.param(0.5, {1: 2, 3: 6, INF: 8}, 2.0, id="second of four in a bucket from 1 to 3"),
        pytest.param(0.25, {1: 2, 3: 6, INF: 8}, 1.0, id="rank on a bound"),
        pytest.param(0.125, {1: 2, 3: 6, INF: 8}, 0.5, id="the lowest bucket starts at 0"),
        pytest.param(0.99, {1: 2, 3: 6, INF: 8}, 3.0, id="in +Inf: the last finite bound"),
        pytest.param(1.0, {1: 2, 3: 8, INF: 8}, 3.0, id="the maximum of what is bounded"),
        pytest.param(0.0, {1: 0, 3: 8, INF: 8}, math.nan, id="0/0 in an empty lowest bucket, as upstream"),
        pytest.param(0.0, {1: 4, 3: 8, INF: 8}, 0.0, id="the minimum"),
        pytest.param(0.1, {-1: 4, 3: 8, INF: 8}, -1.0, id="a lowest bound below 0 is the answer"),
        pytest.param(0.1, {0: 4, 3: 8, INF: 8}, 0.0, id="a lowest bound of 0 is the answer"),
        pytest.param(0.75, {0: 4, 3: 8, INF: 8}, 1.5, id="above a lowest bound of 0"),
        pytest.param(0.5, {1: 0, 3: 0, INF: 0}, math.nan, id="no traffic"),
        pytest.param(0.5, {}, math.nan, id="no buckets"),
        pytest.param(0.5, {INF: 8}, math.nan, id="one bucket"),
        pytest.param(0.5, {1: 2, 3: 6}, math.nan, id="no +Inf"),
        pytest.param(0.5, {1: math.nan, 3: 6, INF: 8}, math.nan, id="a NaN count"),
        pytest.param(0.5, {1: 4, 3: 2, INF: 8}, 1.0, id="a decrease is filled up"),
        pytest.param(0.5, {1: 4 + 1e-15, 3: 4, INF: 8}, 1.0, id="rounding is no step"),
        pytest.param(0.9, {1: 0.2, 3: 0.6, INF: 0.6}, 2.7, id="rates instead of counts"),
    ],
)
def test_quantile_is_upstreams(q: float, buckets: dict[float, float], expected: float) -> None:
    """Each special case of prometheus/prometheus promql/quantile.go has its value."""
    assert quantile(q, buckets) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("q", [-0.1, 1.1, math.nan])
def test_quantile_refuses_what_is_none(q: float) -> None:
    """A quantile outside 0 to 1 is an error of the caller, not an infinite latency."""
    with pytest.raises(ValueError, match="must be within"):
        quantile(q, {1: 2, INF: 3})


def cumulative(values: list[float]) -> dict[float, float]:
    """Return the histogram of these observations."""
    return {bound: float(sum(value <= bound for value in values)) for bound in [*BOUNDS, INF]}


observed = st.lists(st.floats(0.001, 20), min_size=1, max_size=60)


@given(values=observed, q=st.floats(0.001, 1))
def test_quantile_falls_into_the_bucket_of_the_true_one(values: list[float], q: float) -> None:
    """By brute force: the answer lies in the bucket that holds the observation of that rank."""
    true = sorted(values)[max(0, math.ceil(q * len(values) - 1e-9) - 1)]
    answer = quantile(q, cumulative(values))
    if true > BOUNDS[-1]:
        assert answer == BOUNDS[-1]
    else:
        index = bisect_left(BOUNDS, true)
        low = BOUNDS[index - 1] if index else 0.0
        assert low - 1e-9 <= answer <= BOUNDS[index] + 1e-9


@given(values=observed, q=st.floats(0.001, 1))
def test_quantile_inverts_the_interpolated_distribution(values: list[float], q: float) -> None:
    """As many observations are below the answer, by linear interpolation, as the quantile asks for."""
    buckets = cumulative(values)
    answer = quantile(q, buckets)
    if buckets[BOUNDS[-1]] < q * len(values):
        assert answer == BOUNDS[-1]
        return
    points = [(0.0, 0.0), *((bound, buckets[bound]) for bound in BOUNDS)]
    low, high = next((a, b) for a, b in pairwise(points) if a[0] <= answer <= b[0] and b[1] >= q * len(values) - 1e-9)
    below = low[1] + (high[1] - low[1]) * (answer - low[0]) / (high[0] - low[0])
    assert below == pytest.approx(q * len(values))


@given(values=observed, first=st.floats(0.001, 1), second=st.floats(0.001, 1))
def test_quantile_is_monotone(values: list[float], first: float, second: float) -> None:
    """A higher quantile is never lower."""
    low, high = sorted((first, second))
    assert quantile(low, cumulative(values)) <= quantile(high, cumulative(values)) + 1e-9


@given(values=observed, split=st.integers(0, 60), q=st.floats(0.001, 1))
def test_pods_merge_to_the_histogram_of_all(values: list[float], split: int, q: float) -> None:
    """It does not matter which pod served what."""
    merged = merge([cumulative(values[:split]), cumulative(values[split:])])
    assert merged == cumulative(values)
    assert observations(merged) == len(values)
    assert quantile(q, merged) == quantile(q, cumulative(values))


def test_pods_with_different_bounds_merge() -> None:
    """During a roll-out from one set of bounds to another there is still an answer, though a rough one."""
    merged = merge([{1: 1, INF: 2}, {1: 3, 2: 4, INF: 4}])
    assert merged == {1: 4, 2: 4, INF: 6}
    assert quantile(0.5, merged) == 0.75
