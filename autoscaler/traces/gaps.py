"""Times between arrivals: Poisson, Gamma or Weibull, of mean 1 and of a given coefficient of variation (CV).

Gamma of shape k: CV² = 1/k. Weibull of shape k: CV² = Γ(1 + 2/k)/Γ(1 + 1/k)² - 1.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from autoscaler.documents.scenario import GapFamily

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autoscaler.traces.trace import Flags, Floats, Longs

_MOST_AT_ONCE = 2_000_000
"""Gaps that are drawn together."""
_SHAPES = (0.05, 1000.0)
"""Weibull's, from a CV of more than 10^5 down to one of less than 0.01."""


def shape_of(family: GapFamily, cv: float) -> float:
    """Return the shape of a family that has this CV; 1 for Poisson."""
    if family is GapFamily.GAMMA:
        return 1 / cv**2
    return _weibull_shape(cv) if family is GapFamily.WEIBULL else 1.0


def _weibull_shape(cv: float) -> float:
    """Return the shape by bisection: the CV falls as the shape grows."""
    low, high = _SHAPES
    wanted = math.log1p(cv**2)
    for _ in range(100):
        middle = math.sqrt(low * high)
        found = math.lgamma(1 + 2 / middle) - 2 * math.lgamma(1 + 1 / middle)
        low, high = (middle, high) if found > wanted else (low, middle)
    return low


def draw(family: GapFamily, shapes: float | Floats, count: int, stream: np.random.Generator) -> Floats:
    """Return `count` gaps of mean 1; `shapes` is one for all or one for each."""
    if family is GapFamily.GAMMA:
        return np.asarray(stream.standard_gamma(shapes, count) / shapes)
    gaps = stream.standard_exponential(count)
    if family is GapFamily.POISSON:
        return gaps
    mean = np.frompyfunc(lambda shape: math.gamma(1 + 1 / shape), 1, 1)
    kinds, places = np.unique(shapes, return_inverse=True)
    means = np.asarray(mean(kinds), np.float64)[places.reshape(-1)]
    return np.asarray(gaps ** (1 / np.asarray(shapes)) / means)


class Windows(NamedTuple):
    """Spans of time, each with its number of arrivals and the shape of its gaps."""

    starts: Floats
    widths: Floats
    counts: Longs
    shapes: Floats

    @property
    def end_seconds(self) -> float:
        """The end of the last window."""
        return float(self.starts[-1] + self.widths[-1])

    def part(self, chosen: slice | Flags) -> Windows:
        """Return some of the windows."""
        return Windows(self.starts[chosen], self.widths[chosen], self.counts[chosen], self.shapes[chosen])


def spread(windows: Windows, family: GapFamily, stream: np.random.Generator) -> Iterator[Floats]:
    """Yield the arrivals, several windows at a time, in no order within a window.

    A window's gaps are stretched to fill it, so that its count is exact, and laid round it as round a circle from a
    random moment on: begun at the window's own start, the clumps of all clients would come together there. For Poisson
    that is the same as throwing the arrivals into the window at random.
    """
    begin = 0
    ends = np.cumsum(windows.counts)
    while begin < len(ends):
        before = ends[begin - 1] if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, before + _MOST_AT_ONCE, "right")))
        yield _spread(windows.part(slice(begin, end)), family, stream)
        begin = end


def _spread(windows: Windows, family: GapFamily, stream: np.random.Generator) -> Floats:
    some = windows.part(windows.counts > 0)
    if not len(some.counts):
        return np.empty(0)
    owners = np.repeat(np.arange(len(some.counts)), some.counts)
    reached = np.cumsum(draw(family, some.shapes[owners], len(owners), stream))
    lasts = np.cumsum(some.counts) - 1
    before = np.concatenate(([0.0], reached[lasts[:-1]]))
    filled = reached[lasts] - before
    # all gaps of a window underflow to 0 where the CV is extreme: then its arrivals come at one moment
    scale = np.divide(1.0, filled, out=np.zeros_like(filled), where=filled > 0)
    turned = (reached - before[owners]) * scale[owners] + stream.random(len(scale))[owners]
    return np.asarray(some.starts[owners] + turned % 1 * some.widths[owners])


def whole_counts(expected: Floats, stream: np.random.Generator) -> Longs:
    """Return whole numbers with these means, whose sums from the first on are never off by one or more."""
    reached = np.floor(np.cumsum(expected) + stream.random())
    return np.diff(reached, prepend=0.0).astype(np.int64)
