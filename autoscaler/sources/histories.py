"""The pods' counters of the last minutes, kept between ticks."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from autoscaler.signals.counters import Totals, accumulate
from autoscaler.signals.window import Point, Window, extend

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

Key = tuple[str, str, str]
"""Target, pod and preset."""


class _History(NamedTuple):
    state: Totals
    window: Window


class Histories:
    """One window per pod, bounded in time and in points; a pod not seen for a whole window is forgotten."""

    def __init__(self, window_seconds: float) -> None:
        self._window_seconds = window_seconds
        self._pods: dict[Key, _History] = {}

    def record(self, key: Key, readings: Mapping[Hashable, float], now: float) -> Window:
        """Return the pod's window after one more reading of all its counters."""
        before = self._pods.get(key)
        state = accumulate(before.state if before else None, readings)
        window = extend(before.window if before else (), Point(now, state.totals), self._window_seconds)
        self._pods[key] = _History(state, window)
        return window

    def forget(self, now: float) -> None:
        """Drop the pods whose newest point is older than the window."""
        self._pods = {
            key: history for key, history in self._pods.items() if now - history.window[-1].at <= self._window_seconds
        }
