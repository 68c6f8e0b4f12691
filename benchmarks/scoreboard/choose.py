"""How a setting is chosen: on the tuning redraws alone, the cheapest that meets the objective in the mean."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from benchmarks.scoreboard.cases import OBJECTIVE, TUNING_SEEDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from benchmarks.scoreboard.cells import Cell

S = TypeVar("S")
_SLACK = 1e-9
"""Means of floats."""
SCREEN = 1 - len(TUNING_SEEDS) * (1 - OBJECTIVE) - _SLACK
"""Who attains less on one redraw cannot reach the objective in the mean of all, whatever the others bring."""
BATCH = 4
"""Of a family, so many settings that pass the screen are enough: richer ones are dearer."""
TOO_DEAR = 1.3
"""What costs so many times as much as the cheapest that meets the objective is not pursued."""
FINALISTS = 3
"""So many of them, the cheapest first, are run on the other tuning redraws; the next so many if none of them does."""


class Mean(NamedTuple):
    """Several redraws of one setting."""

    attainment: float
    gpu_hours: float
    lowest: float
    """Attainment of the worst redraw."""


def mean(cells: Sequence[Cell]) -> Mean:
    """Return the mean over redraws."""
    shares = [cell.attainment for cell in cells]
    return Mean(statistics.fmean(shares), statistics.fmean(cell.gpu_hours for cell in cells), min(shares))


def holds(attainment: float) -> bool:
    """Return whether the objective is met."""
    return attainment >= OBJECTIVE - _SLACK


def search(
    settings: Sequence[S],
    first: Callable[[Sequence[S]], Sequence[Cell]],
    all_tuning: Callable[[Sequence[S]], Sequence[Sequence[Cell]]],
    limit_hours: float = math.inf,
) -> tuple[S, Mean] | None:
    """Return the cheapest setting that meets the objective in the mean of the tuning redraws; None if none does.

    Settings come from lean to rich, and are run in batches: `first` on the first tuning redraw, and once enough have
    passed the screen, `all_tuning` on all of them. If none of those will do, richer ones are tried. What passes at more
    than `limit_hours` is not tried further, and what is richer than a batch of such not at all.
    """
    passed: list[tuple[float, int, S]] = []
    for begin in range(0, len(settings), BATCH):
        batch = settings[begin : begin + BATCH]
        played = enumerate(zip(batch, first(batch), strict=True), start=begin)
        good = [(cell.gpu_hours, place, setting) for place, (setting, cell) in played if cell.attainment >= SCREEN]
        passed += [one for one in good if one[0] <= limit_hours]
        too_dear = bool(good) and min(one[0] for one in good) > limit_hours
        if len(passed) >= BATCH or too_dear or begin + BATCH >= len(settings):
            found = _best([setting for _, _, setting in sorted(passed, key=lambda one: one[:2])], all_tuning)
            if found is not None:
                return found
            if too_dear:
                return None
            passed = []
    return None


def _best(passed: Sequence[S], all_tuning: Callable[[Sequence[S]], Sequence[Sequence[Cell]]]) -> tuple[S, Mean] | None:
    """Return the best of those that passed, the cheapest on the first redraw being tried first."""
    for begin in range(0, len(passed), FINALISTS):
        batch = passed[begin : begin + FINALISTS]
        means = zip(batch, map(mean, all_tuning(batch)), strict=True)
        good = [(setting, found) for setting, found in means if holds(found.attainment)]
        if good:
            return min(good, key=lambda one: one[1].gpu_hours)
    return None


def smallest(enough: Callable[[int], bool], most: int) -> int:
    """Return the smallest count from 1 to `most` that is enough, by bisection; `most` if none is known to be."""
    low, high = 1, most
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return low


def floors(shares: Iterable[float], fixed: int) -> list[int]:
    """Return the floors, as shares of the best fixed fleet; one replica is the floor of everybody."""
    return sorted({count for share in shares if (count := round(share * fixed)) > 1})
