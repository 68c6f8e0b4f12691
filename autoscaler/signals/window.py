"""A bounded window of counter totals, and the rates over it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

MOST_POINTS = 32
"""A window keeps about this many points however often it is fed."""


class Point(NamedTuple):
    """Counter totals at one moment."""

    at: float
    """UTC epoch seconds."""
    totals: Mapping[Hashable, float]
    """Monotone, as `counters.accumulate` makes them."""


Window = tuple[Point, ...]
"""Points in the order of time; the newest is always the last one fed."""


def extend(window: Window, point: Point, window_seconds: float) -> Window:
    """Return the window with one more point, without those that are too old or too close to another.

    A point that is not newer than the last one is left out.
    """
    if window and point.at <= window[-1].at:
        return window
    kept = [old for old in window if point.at - old.at <= window_seconds]
    if len(kept) >= 2 and kept[-1].at - kept[-2].at < window_seconds / MOST_POINTS:
        kept.pop()
    return (*kept, point)


def span_seconds(window: Window) -> float:
    """Return the time between the oldest and the newest point; 0 with fewer than two."""
    return window[-1].at - window[0].at if window else 0.0


def increases(window: Window) -> dict[Hashable, float] | None:
    """Return what each counter rose by over the window; None with fewer than two points."""
    if len(window) < 2:
        return None
    first = window[0].totals
    return {key: total - first.get(key, 0.0) for key, total in window[-1].totals.items()}
