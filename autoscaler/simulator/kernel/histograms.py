"""The histograms that a replica's metrics show."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autoscaler.simulator.layout import Fleet, Model


def observe(model: Model, fleet: Fleet, slot: int, which: int, seconds: float) -> None:
    """Count one duration in a histogram; the last bucket is the unbounded one."""
    width = model.bounds.shape[0] // 3
    low = which * width
    high = low + width - 1
    while low < high:
        middle = (low + high) // 2
        if seconds <= model.bounds[middle]:
            high = middle
        else:
            low = middle + 1
    fleet.histograms[slot * 3 * width + low] += 1
    fleet.histogram_sums[slot * 3 + which] += seconds
