"""The largest of the last values, in buckets of time: what delays a KPA's scale-down.

Upstream: knative/serving pkg/autoscaler/aggregation/max/{window,timewindow}.go. The window is not an exact one: a value
leaves it when its bucket is as many buckets old as there are, and values of one bucket count by the largest.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoscaler.engine.proposal import Memory


def bucket_of(at: float, granularity_seconds: float) -> int:
    """Return the index of the bucket that a moment falls into."""
    return math.floor(at / granularity_seconds)


def buckets_in(duration_seconds: float, granularity_seconds: float) -> int:
    """Return how many buckets a window has."""
    return math.ceil(duration_seconds / granularity_seconds)


def put(window: Mapping[int, int], buckets: int, index: int, value: int) -> dict[int, int]:
    """Return the window with one more value, and without what has become too old."""
    kept = {at: old for at, old in window.items() if at > index - buckets}
    return {**kept, index: max(value, kept.get(index, value))}


def largest(window: Mapping[int, int]) -> int:
    """Return the largest value in the window; 0 of an empty one."""
    return max(window.values(), default=0)


def from_memory(memory: Memory) -> dict[int, int]:
    """Return the window that a memory holds."""
    return {int(index): int(value) for index, value in memory.items() if value is not None}


def to_memory(window: Mapping[int, int]) -> Memory:
    """Return the window as a memory: the value by the bucket."""
    return {str(index): value for index, value in window.items()}
