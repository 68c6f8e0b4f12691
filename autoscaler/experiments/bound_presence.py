"""A lower bound for sparse traffic: somebody has to be there when a request comes, and to have been started for it.

Let Z(t) = 1 while any replica serves. The bill is at least the integral of Z, and the cold start D for each time Z
rises. A request that meets the objective is in service at some moment between its arrival and `wait` later, `wait`
being the time to the first token that the objective allows. Count it to the first stretch of Z that it is in service
in. A stretch that has the requests from i to j begins no later than `wait` after i arrives, and ends no sooner than j
has had its own time s_j of service after its arrival: it costs at least `D - wait + (arrival_j - arrival_i) + s_j`. The
stretch that begins with the fleet of the beginning has no start: it costs at least `arrival_j + s_j`.

Serving each of the arrivals or paying a price for its miss makes that a shortest path over the arrivals, on or off at
each; less `price · allowed misses` it is a lower bound for every price that is not negative, and the best of some is
taken. With more arrivals than are quick to walk, neighbours are taken together: serving one of them serves all.
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
    """Return replica-seconds that serving all but `allowed_misses` takes; `manned` if the fleet begins with any."""
    count = len(calls.arrival)
    if count <= allowed_misses:
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
