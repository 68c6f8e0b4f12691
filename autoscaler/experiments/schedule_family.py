"""Schedules made with the trace known: how many replicas its work needs, when, under different readings of "needs"."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from autoscaler.experiments.bound_demand import SHARES, work
from autoscaler.experiments.schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autoscaler.experiments.scene import Scene
    from autoscaler.simulator.layout import Floats


_DECODE_PACE = 0.7
"""Of the time that the objective allows for decoding: what a well used replica takes."""


class Shape(NamedTuple):
    """One way to read demand, all but how much room to leave on top of it."""

    over_seconds: int
    """Demand is the mean over so long; the highest such mean within a tick counts."""
    given_up: float = 0.0
    """Share of the requests that may be left without capacity, where that saves the highest peaks."""
    early_ticks: int = 1
    """How much sooner than the median cold start requires replicas are started."""


SHAPES = (Shape(2), Shape(5), Shape(15), Shape(3, given_up=0.003), Shape(45, given_up=0.006))


class Need(NamedTuple):
    """What the trace asks for, second by second."""

    replicas: Floats
    """Fully used replicas."""
    requests: Floats
    """That arrive."""


def need(scene: Scene) -> Need:
    """Return what the traffic asks for: work where it arises, spread over the time in which an answer is decoded."""
    trace = scene.trace
    seconds = math.ceil(scene.course.horizon_seconds) + 1
    crowded = np.full(len(trace.arrival_seconds), math.inf)
    shares = [work(trace, scene.model, crowded, share) for share in range(SHARES)]
    prefill, decode = (np.maximum.reduce(column) for column in zip(*shares, strict=True))
    arrivals = np.clip(trace.arrival_seconds, 0, seconds - 1).astype(np.int64)
    decode_seconds = _DECODE_PACE * scene.objective.tpot_seconds * np.maximum(trace.output_tokens, 1)
    spread = _spread(trace.arrival_seconds, decode_seconds, decode, seconds)
    first = np.bincount(arrivals, prefill, minlength=seconds)
    return Need(first + spread, np.bincount(arrivals, minlength=seconds).astype(np.float64))


def _spread(start: Floats, length: Floats, amount: Floats, seconds: int) -> Floats:
    """Return each amount, spread evenly over [start, start + length), by second.

    The integral of a constant rate is a ramp; sums of ramps are taken at the seconds' edges.
    """
    rate = amount / length
    total = np.zeros(seconds + 1)
    for moments, sign in ((start, 1.0), (start + length, -1.0)):
        bins = np.clip(np.ceil(moments), 0, seconds + 1).astype(np.int64)
        slope = np.cumsum(np.bincount(bins, rate, minlength=seconds + 2))[: seconds + 1]
        offset = np.cumsum(np.bincount(bins, rate * moments, minlength=seconds + 2))[: seconds + 1]
        total += sign * (slope * np.arange(seconds + 1) - offset)
    return np.asarray(np.maximum(0.0, np.diff(total)))


def schedule(scene: Scene, need: Need, shape: Shape, headroom: float) -> Schedule:
    """Return the schedule of a shape with `headroom` replicas for each fully used one.

    Replicas are wanted a cold start before they are needed; so a gap that is shorter than a cold start is bridged.
    """
    interval = scene.course.interval_seconds
    total = np.cumsum(np.concatenate([np.zeros(shape.over_seconds), need.replicas]))
    level = (total[shape.over_seconds :] - total[: -shape.over_seconds]) / shape.over_seconds
    level = np.minimum(level, _ceiling(level, need.requests, shape.given_up))
    counts = np.ceil(_by_tick(level * headroom, interval) - 1e-9)
    counts = np.clip(counts, scene.min_replicas, scene.max_replicas)
    lead = math.ceil(scene.cold_start.median_seconds / interval) + shape.early_ticks
    ahead = _highest_ahead(counts, lead)
    return Schedule(interval, tuple(ahead[1:].astype(np.int64).tolist()))


def trim(plan: Schedule, begin: float, end: float, minimum: int) -> Schedule:
    """Return the schedule with a replica less from `begin` to `end`, two shares of its length."""
    count = len(plan.replicas)
    first, last = round(begin * count), round(end * count)
    less = (max(minimum, replicas - 1) for replicas in plan.replicas[first:last])
    return plan._replace(replicas=(*plan.replicas[:first], *less, *plan.replicas[last:]))


def stretches(count: int) -> Iterator[tuple[float, float]]:
    """Yield `count` stretches of [0, 1): quarters, then eighths, and so on."""
    parts = 4
    while count > 0:
        for part in range(min(parts, count)):
            yield part / parts, (part + 1) / parts
        count -= parts
        parts *= 2


def _by_tick(level: Floats, interval: float) -> Floats:
    """Return the highest level of each tick's interval; at least two of them."""
    ticks = (np.arange(len(level)) // interval).astype(np.int64)
    highest = np.zeros(max(2, int(ticks[-1]) + 1))
    np.maximum.at(highest, ticks, level)
    return highest


def _ceiling(level: Floats, requests: Floats, given_up: float) -> float:
    """Return the level above which demand is that of no more than a share `given_up` of the requests."""
    if given_up <= 0:
        return math.inf
    low, high = 0.0, float(level.max())
    for _ in range(40):
        middle = 0.5 * (low + high)
        over = 1.0 - middle / np.maximum(level, middle)
        if float((over * requests).sum()) > given_up * float(requests.sum()):
            low = middle
        else:
            high = middle
    return high


def _highest_ahead(values: Floats, ahead: int) -> Floats:
    """Return the maximum of each value and so many after it."""
    padded = np.concatenate([values, np.full(ahead, values[-1])])
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, ahead + 1).max(axis=1))
