"""A lower bound for sparse traffic: somebody has to be there when a request comes, and to have been started for it.

Let Z(t) = 1 while any replica serves. The bill is at least the integral of Z, and the cold start D for each time Z
rises. A request that meets the objective is in service at some moment between its arrival and `wait` later, `wait`
being the time to the first token that the objective allows. So Z' = 1, where Z'(t) says that Z is 1 somewhere in [t,
t + wait], holds at its arrival. A stretch of Z' is `wait` longer than the stretch of Z in it; where it spans several
of them, the gaps are shorter than `wait`, and with D >= wait starting again cost no less than staying. So the bill is
at least the sum over stretches of Z' of `length + D - wait`; a stretch that begins with the fleet of the beginning
has no start.

Serving each of the remaining arrivals at the cost of a miss μ makes that a shortest path over the arrivals, on or off
at each; less `μ · allowed misses` it is a lower bound for every μ >= 0, and the best of some is taken. With more
arrivals than are quick to walk, neighbours are taken together: serving one of them serves all.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from autoscaler.simulator.layout import Floats

_MOST_GROUPS = 10_000
_STEPS = 24


class Calls(NamedTuple):
    """Requests that want somebody to be there, in order of arrival."""

    arrival: Floats
    service: Floats
    """Seconds that each is in service at the least."""


class _Path(NamedTuple):
    cost: float
    missed: float


def presence_seconds(
    calls: Calls, wait_seconds: float, cold_start_seconds: float, allowed_misses: int, *, manned: bool
) -> float:
    """Return replica-seconds that serving all but `allowed_misses` calls takes; `manned` if the fleet begins with any.

    0 where cold starts are shorter than the wait.
    """
    count = len(calls.arrival)
    if cold_start_seconds < wait_seconds or count <= allowed_misses:
        return 0.0
    size = -(-count // _MOST_GROUPS)
    starts = np.arange(0, count, size)
    first = calls.arrival[starts]
    last = calls.arrival[np.minimum(starts + size, count) - 1]
    weight = np.diff(starts, append=count).astype(np.float64)
    entry = cold_start_seconds - wait_seconds - (last - first)
    tail = np.minimum.reduceat(calls.service, starts)
    columns = [column.tolist() for column in (np.diff(first, prepend=0.0), entry, tail, weight)]
    low, high = 0.0, cold_start_seconds + float(calls.arrival[-1] + calls.service.max())
    best = 0.0
    for _ in range(_STEPS):
        price = 0.5 * (low + high)
        path = _shortest(columns, price, manned=manned)
        best = max(best, path.cost - price * allowed_misses)
        if path.missed > allowed_misses:
            low = price
        else:
            high = price
    return best


def _shortest(columns: list[list[float]], price: float, *, manned: bool) -> _Path:
    """Return the cheapest way through all calls, each miss at `price`, and how many it misses."""
    off = _Path(0.0, 0.0)
    on = off if manned else _Path(math.inf, 0.0)
    ending = 0.0
    for gap, entry, tail, weight in zip(*columns, strict=True):
        ended = on.cost + ending
        idle = _Path(ended, on.missed) if ended < off.cost else off
        stay, start = on.cost + gap, idle.cost + entry
        on = _Path(stay, on.missed) if stay <= start else _Path(start, idle.missed)
        off = _Path(idle.cost + price * weight, idle.missed + weight)
        ending = tail
    return min(_Path(on.cost + ending, on.missed), off)
