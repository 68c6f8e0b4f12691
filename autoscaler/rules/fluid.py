"""Demand as a fluid through a fleet: who would have waited for too long, under counts that were never tried.

A bin's need fills replicas; what does not fit waits, and those who come while the wait is longer than the objective
allows have missed it. Within a bin demand is as uneven as its halves would be if they differed like neighbouring bins
do, and theirs again, down to the wait that the objective allows: a cascade. Poisson traffic stays smooth; code
completion, of whose neighbouring bins the busier one holds 73 %, comes in peaks of three times the mean of a bin.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from autoscaler.rules.tape import BIN_SECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence

_PATIENCE_SECONDS = 60.0
"""Clients leave then: a wait does not grow beyond it."""


def unevenness(needs: Sequence[float], requests_per_need: float) -> float:
    """Return which share of two neighbouring bins falls into the busier one, beyond what Poisson noise explains.

    0.5 is even. `requests_per_need` are the requests of a bin whose need is 1.
    """
    total = surplus = 0.0
    for one, other in zip(needs[::2], needs[1::2], strict=False):
        both = one + other
        if both > 0.0:
            noise = min(0.5, math.sqrt(1.0 / (2.0 * math.pi * max(1.0, both * requests_per_need))))
            total += both
            surplus += max(one, other) - both * (0.5 + noise)
    return 0.5 if total <= 0.0 else min(1.0, max(0.5, 0.5 + surplus / total))


def shape(share: float, wait_seconds: float) -> tuple[float, ...]:
    """Return how need is spread within a bin, as multiples of its mean, in slots no longer than the wait allowed."""
    slots: tuple[float, ...] = (1.0,)
    while BIN_SECONDS / len(slots) > wait_seconds and len(slots) < 16:
        slots = tuple(slot * part for slot in slots for part in (2.0 * share, 2.0 * (1.0 - share)))
    return slots


def available(asked: Sequence[int], startup_seconds: float) -> list[int]:
    """Return the replicas that were ready, had the policy alone decided: a rise takes one cold start, a fall none."""
    bins = min(len(asked), math.ceil(startup_seconds / BIN_SECONDS))
    if bins <= 0 or not asked:
        return list(asked)
    padded = [asked[0]] * bins + list(asked)
    # the least of a window, by doubling: the least of two halves is that of the whole
    width = 1
    while 2 * width <= bins + 1:
        padded = list(map(min, padded, padded[width:]))
        width *= 2
    rest = bins + 1 - width
    return list(map(min, padded, padded[rest:])) if rest else padded


def missed_share(
    needs: Sequence[float], counts: Sequence[int], slots: tuple[float, ...], wait_seconds: float, floor: int = 0
) -> float:
    """Return the share of demand that would have missed the objective, with `floor` replicas at least."""
    peak, seconds = max(slots), BIN_SECONDS / len(slots)
    backlog = missed = total = 0.0
    for need, count in zip(needs, counts, strict=True):
        total += need
        count = count if count > floor else floor  # noqa: PLW2901 - a max() here is a third of the whole replay
        if need * peak <= count and backlog <= 0.0:
            continue
        if count <= 0:
            missed += need
            continue
        for slot in slots:
            arriving = need * slot
            before = backlog / count
            backlog = min(max(0.0, backlog + (arriving - count) * seconds), count * _PATIENCE_SECONDS)
            missed += arriving * _late(before, backlog / count, wait_seconds) / len(slots)
    return missed / total if total > 0.0 else 0.0


def _late(before: float, after: float, wait_seconds: float) -> float:
    """Return the share of a slot that waits too long, while the wait goes evenly from `before` to `after`."""
    low, high = (before, after) if before <= after else (after, before)
    if high <= wait_seconds:
        return 0.0
    return 1.0 if low >= wait_seconds else (high - wait_seconds) / (high - low)
