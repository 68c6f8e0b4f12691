"""Prometheus' `rate()` over scrapes of replicas that come and go.

Source: `extrapolatedRate` in prometheus/prometheus `promql/functions.go`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from autoscaler.simulator.fleet import Snapshot
    from autoscaler.simulator.layout import Floats, Integers


class Span(NamedTuple):
    """Replicas whose samples in the window begin at the same scrape and reach to the newest one."""

    first: Snapshot
    first_rows: Integers
    newest: Snapshot
    newest_rows: Integers
    scrapes: int


def spans(window: Sequence[Snapshot], live: Integers) -> list[Span]:
    """Return the replicas in rows `live` of the newest snapshot, by their first one; a single sample gives none."""
    groups: list[Span] = []
    newest, left = window[-1], live
    if not len(live):
        return groups
    for place, scrape in enumerate(window[:-1]):
        numbers = newest.number[left]
        rows = np.searchsorted(scrape.number, numbers)
        known = np.append(scrape.number, -1)[rows] == numbers
        if known.all():
            groups.append(Span(scrape, rows, newest, left, len(window) - place))
            break
        if known.any():
            groups.append(Span(scrape, rows[known], newest, left[known], len(window) - place))
            left = left[~known]
    return groups


def rate(span: Span, counters: Callable[[Snapshot], Integers], now: float, window_seconds: float) -> Floats:
    """Return what each counter of each replica rose by per second in (now - window, now].

    The increase between the samples is stretched to the window's ends, if they are nearer than 1.1 scrape intervals,
    else by half an interval; never to before the moment when the counter would have been zero.
    """
    first = counters(span.first)[span.first_rows]
    risen = counters(span.newest)[span.newest_rows] - first
    sampled = span.newest.at - span.first.at
    spacing = sampled / (span.scrapes - 1)
    before = _reach(span.first.at - (now - window_seconds), spacing)
    after = _reach(now - span.newest.at, spacing)
    to_zero = np.where(risen > 0, sampled * first / np.maximum(risen, 1), before)
    stretched: Floats = risen * (sampled + np.minimum(before, to_zero) + after)
    return stretched / (sampled * window_seconds)


def _reach(gap_seconds: float, spacing_seconds: float) -> float:
    return gap_seconds if gap_seconds < 1.1 * spacing_seconds else spacing_seconds / 2
