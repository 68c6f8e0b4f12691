"""Requests gathered into classes of like ones: few enough for a linear program, and never harder than they were.

A class is the requests that arrive in the same window, take about as much replica time, and have about as long to
decode. Its work is the exact sum; it may start as early as its earliest, and end as late as its latest member; giving
up one request frees as much as its dearest member takes. None of these can make the bound too high.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from autoscaler.experiments.bound_demand import SHARES, Life, Work, lives, work
from autoscaler.experiments.bound_presence import Calls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autoscaler.experiments.scene import Objective
    from autoscaler.simulator.layout import Floats, Integers, Model
    from autoscaler.traces.trace import Trace

_CHUNK = 1_000_000
_SAMPLE = 100_000
_RATIO = 1.2
"""Costs within this ratio are alike."""


class Grid(NamedTuple):
    """Windows of equal length over the horizon."""

    window_seconds: float
    windows: int

    def window(self, seconds: Floats) -> Integers:
        """Return the windows of moments, those outside in the first and the last."""
        places = np.floor(seconds / self.window_seconds)
        return np.asarray(np.clip(places, 0, self.windows - 1).astype(np.int64))


class Part(NamedTuple):
    """One half of the classes' work: all prefill, or all decoding."""

    release: Integers
    """The first window in which it can be done."""
    deadline: Integers
    """The last one."""
    seconds: Floats
    """Of replica time, all requests together."""


class Classes(NamedTuple):
    """Like requests together; arrays of one length."""

    dearest: Floats
    """Replica-seconds of the request that takes the most."""
    prefill: Part
    decode: Part
    impossible: int
    """Requests that no fleet serves in time, in none of the classes."""


class Span(NamedTuple):
    """The time there is, in seconds from the beginning."""

    earliest: float
    """No replica is ready before."""
    horizon: float


def gather(trace: Trace, model: Model, objective: Objective, span: Span, grid: Grid) -> Classes:
    """Return the classes of a trace; memory is bounded however long it is."""
    crowd = place_maxima(trace, model, objective, span, grid)
    share = _best_share(trace, model, objective, span, grid, crowd)
    parts = [
        _classes(life, work(chunk, model, places(crowd, grid, life), share), grid)
        for chunk, life in _chunks(trace, model, objective, span)
    ]
    return Classes(
        np.concatenate([part.dearest for part in parts]),
        Part._make(np.concatenate(column) for column in zip(*(part.prefill for part in parts), strict=True)),
        Part._make(np.concatenate(column) for column in zip(*(part.decode for part in parts), strict=True)),
        sum(part.impossible for part in parts),
    )


def calls(trace: Trace, model: Model, objective: Objective, span: Span) -> Calls:
    """Return the requests that some fleet serves in time."""
    parts = [
        (chunk.arrival_seconds[life.possible], life.service[life.possible])
        for chunk, life in _chunks(trace, model, objective, span)
    ]
    return Calls(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _chunks(trace: Trace, model: Model, objective: Objective, span: Span) -> Iterator[tuple[Trace, Life]]:
    for start in range(0, len(trace.arrival_seconds), _CHUNK):
        chunk = trace.take(slice(start, start + _CHUNK))
        yield chunk, lives(chunk, model, objective, span.earliest, span.horizon)


def place_maxima(trace: Trace, model: Model, objective: Objective, span: Span, grid: Grid) -> list[Floats]:
    """Return how many requests can be in the system in each window, as maxima over 1, 2, 4, ... windows."""
    change = np.zeros(grid.windows + 1)
    for _, life in _chunks(trace, model, objective, span):
        possible = life.possible
        change += np.bincount(grid.window(life.release[possible]), minlength=grid.windows + 1)
        change -= np.bincount(grid.window(life.decode_deadline[possible]) + 1, minlength=grid.windows + 1)
    levels = [np.cumsum(change[:-1])]
    while 2 ** len(levels) <= grid.windows:
        level, half = levels[-1], 2 ** (len(levels) - 1)
        levels.append(np.maximum(level[:-half], level[half:]))
    return levels


def places(crowd: list[Floats], grid: Grid, life: Life) -> Floats:
    """Return the most requests that can share an iteration with each one: the maximum over the windows of its life."""
    first, last = grid.window(life.release), grid.window(life.decode_deadline)
    last = np.maximum(first, last)
    most = np.ones(len(first))
    levels = np.frexp((last - first + 1).astype(np.float64))[1] - 1
    for level, maxima in enumerate(crowd):
        chosen = np.flatnonzero(levels == level)
        ends = last[chosen] - 2**level + 1
        most[chosen] = np.maximum(maxima[first[chosen]], maxima[ends])
    return np.maximum(1.0, most)


def _best_share(trace: Trace, model: Model, objective: Objective, span: Span, grid: Grid, crowd: list[Floats]) -> int:
    """Return the way to share an iteration's base that gives away most; any way is valid, so a sample may choose."""
    stride = 1 + len(trace.arrival_seconds) // _SAMPLE
    sample = trace.take(slice(None, None, stride))
    life = lives(sample, model, objective, span.earliest, span.horizon)
    crowded = places(crowd, grid, life)
    totals = []
    for share in range(SHARES):
        part = work(sample, model, crowded, share)
        totals.append(float((part.prefill + part.decode)[life.possible].sum()))
    return int(np.argmax(totals))


def _key(needed: Work, release: Integers, deadline: Integers) -> Integers:
    """Return one number per class: the window of arrival, the cost, and the size of the time to decode in."""
    cost = needed.prefill + needed.decode
    size = np.clip(np.log(np.maximum(cost, 1e-12)) / math.log(_RATIO) + 64, 0, 127).astype(np.int64)
    lag = np.frexp((deadline - release + 1).astype(np.float64))[1]
    return np.asarray((release * 128 + size) * 64 + lag)


def _classes(life: Life, needed: Work, grid: Grid) -> Classes:
    kept = np.flatnonzero(life.possible)
    key = _key(needed, grid.window(life.release), grid.window(life.decode_deadline))[kept]
    order = np.argsort(key, kind="stable")
    groups = np.flatnonzero(np.diff(key[order], prepend=-1))
    prefill, decode = needed.prefill[kept][order], needed.decode[kept][order]
    return Classes(
        np.maximum.reduceat(prefill + decode, groups) if len(groups) else np.zeros(0),
        _part(grid, groups, prefill, life.release[kept][order], life.prefill_deadline[kept][order]),
        _part(grid, groups, decode, life.decode_release[kept][order], life.decode_deadline[kept][order]),
        len(life.possible) - len(kept),
    )


def _part(grid: Grid, groups: Integers, seconds: Floats, release: Floats, deadline: Floats) -> Part:
    if not len(groups):
        none = np.zeros(0, np.int64)
        return Part(none, none, np.zeros(0))
    return Part(
        grid.window(np.minimum.reduceat(release, groups)),
        grid.window(np.maximum.reduceat(deadline, groups)),
        np.add.reduceat(seconds, groups),
    )
