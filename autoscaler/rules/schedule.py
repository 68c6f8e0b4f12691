"""Move minimum and maximum by the clock: business hours, batches off-peak."""

from __future__ import annotations

import math
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from autoscaler.cron import parse_cron, wall_clock
from autoscaler.engine.proposal import Kind, Proposal, Role, abstain
from autoscaler.quantities import Count, CronText, Name, Replicas, ZoneName  # noqa: TC001 - pydantic reads them
from autoscaler.rules.base import Parameters, RuleModel

if TYPE_CHECKING:
    from autoscaler.engine.fleet import Fleet
    from autoscaler.engine.observation import Observation, SignalRequest
    from autoscaler.engine.proposal import Memory

_LATEST = 253_000_000_000.0
"""A time in the year 9987, in UTC epoch seconds: the calendar ends soon after."""


class Window(Parameters):
    """From each `start` to the next `end`, and the bounds that hold meanwhile."""

    start: CronText
    """Cron expression of five fields: `0 8 * * 1-5` is eight o'clock on workdays."""
    end: CronText
    """Cron expression. In a minute that matches both, the end counts."""
    min_replicas: Replicas = 0
    """At least this many; 0 leaves the document's minimum alone."""
    max_replicas: Count | None = None
    """At most this many. Default: the document's maximum."""

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if not self.min_replicas and self.max_replicas is None:
            raise ValueError("needs `minReplicas` above 0, `maxReplicas` or both")
        if self.max_replicas is not None and self.min_replicas > self.max_replicas:
            raise ValueError(
                f"`minReplicas` ({self.min_replicas}) must not be above `maxReplicas` ({self.max_replicas})"
            )
        if self.start.split() == self.end.split():
            raise ValueError(f"`start` and `end` must differ, and both are {self.start!r}")
        return self


class Schedule(RuleModel):
    """Narrows the document's bounds while a window is open; the first of the list that is open decides alone.

    Rules still decide within the bounds. A minimum above 0 wakes a target that sleeps; zero is left to the idle timer.
    When the clock is set forward, what falls into the hour that is left out happens at its end; when it is set back,
    nothing happens in the hour that comes again.
    """

    type: Literal["schedule"] = "schedule"
    name: Name = "schedule"
    time_zone: ZoneName = "UTC"
    """The name of a time zone of the IANA database, as `Europe/Berlin`: its clock is the one that is meant."""
    windows: Annotated[tuple[Window, ...], Field(min_length=1, max_length=100)]
    """In the order in which they are tried."""

    role: ClassVar[Role] = Role.GUARD
    needs: ClassVar[tuple[SignalRequest, ...]] = ()

    @cached_property
    def _times(self) -> tuple[tuple[str, str], ...]:
        return tuple((window.start, window.end) for window in self.windows)

    def propose(self, observation: Observation, fleet: Fleet, memory: Memory, now: float) -> tuple[Proposal, Memory]:  # noqa: ARG002
        """Return the bounds of the window that is open, or no opinion."""
        number = open_window(self._times, self.time_zone, math.floor(min(now, _LATEST) / 60))
        if number is None:
            return abstain(f"none of {len(self.windows)} windows is open"), memory
        window = self.windows[number]
        reason = f"window {number + 1} is open, {window.start} to {window.end} in {self.time_zone}"
        return Proposal(Kind.BOUNDS, window.min_replicas, reason, most=window.max_replicas), memory


@lru_cache(maxsize=4096)
def open_window(windows: tuple[tuple[str, str], ...], time_zone: str, minute: int) -> int | None:
    """Return which (start, end) is the first that is open in a minute, counted from the epoch; None if none is.

    Open means that the last start is newer than the last end.
    """
    wall = wall_clock(minute, time_zone)
    for number, (start, end) in enumerate(windows):
        began, ended = _parsed(start).last(wall), _parsed(end).last(wall)
        if began is not None and (ended is None or began > ended):
            return number
    return None


_parsed = lru_cache(maxsize=1024)(parse_cron)
