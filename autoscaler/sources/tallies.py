"""The counters of all targets, kept between ticks."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from autoscaler.signals.counters import Tally, tally

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEPT_SECONDS = 3600.0
"""A target that is away for this long starts anew when it returns."""


class _Entry(NamedTuple):
    tally: Tally
    used_at: float


class Tallies:
    """One tally per target and signal; what has not been asked for in an hour is forgotten."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, str], _Entry] = {}

    def count(
        self, target: str, key: str, readings: Mapping[str, float], created_at: Mapping[str, float], now: float
    ) -> float:
        """Return the total of a target's counter after one more look at its pods, as `counters.tally` has it."""
        entry = self._entries.get((target, key))
        state = tally(entry.tally if entry else None, readings, created_at, now)
        self._entries[target, key] = _Entry(state, now)
        return state.total

    def forget(self, now: float) -> None:
        """Drop what has not been used for an hour."""
        self._entries = {key: entry for key, entry in self._entries.items() if now - entry.used_at <= _KEPT_SECONDS}
