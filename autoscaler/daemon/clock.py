"""The time of a tick, read once at its edge: UTC epoch seconds that never go back.

Two clocks: the machine's, checked against its monotonic clock, and one that runs faster for the sandbox.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

STEP_SECONDS = 5.0
"""A wall clock that moved this much against the monotonic one was set, or the machine slept."""


class Reading(NamedTuple):
    """One look at the clock."""

    now: float
    """UTC epoch seconds, never less than at the reading before."""
    ahead_seconds: float = 0.0
    """How far `now` is ahead of the wall clock since that was set back; 0 as long as it never was.

    Sources and the API server speak of the wall clock's time: ask with `wall`, and add this to what they answer.
    """
    step_seconds: float = 0.0
    """By how much the wall clock was set since the last reading; 0 within `STEP_SECONDS`."""

    @property
    def wall(self) -> float:
        """The wall clock's time, in UTC epoch seconds."""
        return self.now - self.ahead_seconds


class Clock(Protocol):
    """Where a tick takes its time from."""

    @property
    def speed(self) -> float:
        """Seconds of this clock per second of the machine's."""

    def read(self) -> Reading:
        """Return the time now."""


class SystemClock:
    """The machine's wall clock, checked against its monotonic clock.

    After the wall clock was set back, `now` goes on at the monotonic pace and stays ahead of it by that much: time
    that never goes back needs no second look at any window, and `Reading.ahead_seconds` keeps ages right.
    """

    speed = 1.0

    def __init__(self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._now = wall()
        self._elapsed = monotonic()
        self._ahead_seconds = 0.0

    def read(self) -> Reading:
        """Return the time now, and by how much the wall clock was set since the last reading."""
        wall, elapsed = self._wall(), self._monotonic()
        expected = self._now + elapsed - self._elapsed
        step = wall + self._ahead_seconds - expected
        if abs(step) <= STEP_SECONDS:
            step = 0.0
            now = max(wall + self._ahead_seconds, self._now)
        else:
            now = max(wall, expected)
            self._ahead_seconds = now - wall
        self._now, self._elapsed = now, elapsed
        return Reading(now, self._ahead_seconds, step)


class ScaledClock:
    """A clock that starts at the wall clock's time and runs `speed` times as fast; nobody can set it."""

    def __init__(
        self,
        speed: float = 1.0,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.speed = speed
        self._monotonic = monotonic
        self._origin = wall()
        self._started = monotonic()

    def read(self) -> Reading:
        """Return the time now."""
        return Reading(self._origin + (self._monotonic() - self._started) * self.speed)
