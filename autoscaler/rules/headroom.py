"""A quantile of past errors, weighted by requests and forgotten, in bins of equal ratio: one bin changes a decision.

Forgetting by growing weights: instead of every bin shrinking, new weights grow, and all are scaled back now and then.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from autoscaler.rules.work import number

if TYPE_CHECKING:
    from autoscaler.engine.proposal import Memory

_SMALLEST = 0.02
_RATIO = 1.1
_LOG_RATIO = math.log(_RATIO)
_LOG_SMALLEST = math.log(_SMALLEST)
BINS = 96
"""The last bin begins at 0.02 · 1.1^95, about 170."""
_RESCALE = 1e6


class Errors(NamedTuple):
    """How far demand came to lie above its forecast, in units of sqrt(forecast + 1)."""

    bins: tuple[float, ...] = (0.0,) * BINS
    """Weights; the first bin holds all that is below 0.02."""
    growth: float = 1.0
    """What a request weighs now."""

    def learn(self, error: float, requests: float, half_lives: float) -> Errors:
        """Return the errors with one more, that so many requests met, so many half-lives after the last one."""
        growth = self.growth * 2.0**half_lives
        place = bin_of(error)
        bins = self.bins
        if growth > _RESCALE:
            bins = tuple([weight / growth for weight in bins])
            growth = 1.0
        return Errors((*bins[:place], bins[place] + requests * growth, *bins[place + 1 :]), growth)

    def quantile(self, share: float) -> float:
        """Return the error that `share` of the requests did not exceed, interpolated within a bin; 0 without any."""
        bins = self.bins
        beyond = (1.0 - share) * math.fsum(bins)
        if beyond <= 0.0:
            return 0.0
        for place in range(BINS - 1, 0, -1):
            weight = bins[place]
            if weight >= beyond and weight > 0.0:
                return math.exp(_LOG_SMALLEST + _LOG_RATIO * (place - beyond / weight))
            beyond -= weight
        return 0.0


def bin_of(error: float) -> int:
    """Return the bin that an error falls into."""
    if error <= _SMALLEST:
        return 0
    return min(BINS - 1, 1 + int(math.log(error / _SMALLEST) / _LOG_RATIO))


_KEYS = tuple(f"error.{place}" for place in range(BINS))
_GROWTH = "error.growth"


def recall_errors(memory: Memory) -> Errors:
    """Return the errors in a rule's memory."""
    get = memory.get
    bins: Any = tuple([get(key, 0.0) for key in _KEYS])
    return Errors(bins, number(memory, _GROWTH, 1.0))


def store_errors(errors: Errors) -> dict[str, float]:
    """Return the errors as entries of a rule's memory; bins that never held anything are left out."""
    found = {key: weight for key, weight in zip(_KEYS, errors.bins, strict=True) if weight}
    found[_GROWTH] = errors.growth
    return found
