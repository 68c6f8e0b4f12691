"""Counters that restart: what they rose by, kept as state that goes in and comes out.

A counter that falls has been reset, and its whole new value is increase, as in Prometheus' `increase` (funcRate in
prometheus/prometheus `promql/functions.go`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping


def increase(before: float, after: float) -> float:
    """Return what a counter rose by between two readings; both finite and >= 0."""
    return after - before if after >= before else after


class Tally(NamedTuple):
    """One target's counter over pods that come and go: it only ever rises."""

    since: float
    """When the watch began, in UTC epoch seconds."""
    readings: Mapping[str, float]
    """The last reading of each live pod."""
    total: float
    """Increase since the watch began, over all pods, also those that are gone."""


def tally(state: Tally | None, readings: Mapping[str, float], created_at: Mapping[str, float], now: float) -> Tally:
    """Return the tally after one more look at the pods.

    `readings` holds what could be read, by pod; `created_at` every live pod, so that what is not in it is gone and
    keeps what it had. A pod created after the watch began counts with its whole first reading; one that existed
    before counts from its first reading on. Readings that are negative or not finite are left out.
    """
    state = state or Tally(now, {}, 0.0)
    total = state.total
    kept = {pod: value for pod, value in state.readings.items() if pod in created_at}
    for pod, value in readings.items():
        if pod not in created_at or not _is_count(value):
            continue
        if pod in kept:
            total += increase(kept[pod], value)
        elif created_at[pod] > state.since:
            total += value
        kept[pod] = value
    return Tally(state.since, kept, total)


class Totals(NamedTuple):
    """All counters of one process, made monotone: a restart of the process does not show in `totals`."""

    readings: Mapping[Hashable, float]
    totals: Mapping[Hashable, float]


def accumulate(state: Totals | None, readings: Mapping[Hashable, float]) -> Totals:
    """Return the totals after one more reading of the whole process.

    The first reading counts from zero. If any counter fell, the process restarted, and every counter began again at
    zero, also those that are already past their old value: judged one by one, buckets of one histogram would part.
    A counter that was not there before starts at zero.
    """
    counts = {key: value for key, value in readings.items() if _is_count(value)}
    if state is None:
        return Totals(counts, dict.fromkeys(counts, 0.0))
    restarted = any(value < state.readings.get(key, 0.0) for key, value in counts.items())
    before: Mapping[Hashable, float] = {} if restarted else state.readings
    totals = dict(state.totals)
    for key, value in counts.items():
        totals[key] = totals.get(key, 0.0) + value - before.get(key, 0.0)
    return Totals({**before, **counts}, totals)


def _is_count(value: float) -> bool:
    return math.isfinite(value) and value >= 0
