"""Many iterations of pure decoding at once: how long they take, and where an arrival ends them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autoscaler.simulator.layout import Fleet


def shorten(fleet: Fleet, slot: int, at: float) -> None:
    """Stop a jump at the first end of an iteration not before `at`."""
    steps = fleet.steps[slot]
    if steps == 1:
        return
    begin = fleet.begin[slot]
    step = fleet.step[slot]
    growth = fleet.growth[slot]
    elapsed = at - begin
    if growth > 0.0:
        linear = step - growth
        fewest = math.ceil((math.sqrt(linear * linear + 4.0 * growth * elapsed) - linear) / (2.0 * growth))
    else:
        fewest = math.ceil(elapsed / step)
    fewest = max(1, min(int(fewest), steps))
    # The root is rounded: settle on the exact boundary.
    while fewest > 1 and begin + span(fewest - 1, step, growth) >= at:
        fewest -= 1
    while fewest < steps and begin + span(fewest, step, growth) < at:
        fewest += 1
    if fewest < steps:
        fleet.steps[slot] = fewest
        fleet.end[slot] = begin + span(fewest, step, growth)


def span(steps: int, step: float, growth: float) -> float:
    """Return the seconds that `steps` iterations take, the first `step`, each next one `2·growth` longer."""
    return steps * step + growth * (steps * (steps - 1))
