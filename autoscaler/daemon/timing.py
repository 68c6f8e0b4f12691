"""How often the daemon looks, and how long it waits for what it asks."""

from __future__ import annotations

from typing import NamedTuple


class Timing(NamedTuple):
    """One tick's rhythm and deadlines; together the deadlines fit into an interval."""

    interval_seconds: float = 15.0
    """From one tick to the next, in the seconds of the daemon's clock."""
    jitter_seconds: float = 1.0
    """At most this much is added or taken off at random, so that daemons do not march in step; real seconds."""
    observe_seconds: float = 4.0
    """For reading all targets; real seconds."""
    collect_seconds: float = 5.0
    """For collecting all signals; real seconds."""
    act_seconds: float = 4.0
    """For all writes; real seconds."""
    health_intervals: float = 4.0
    """`/healthz` is bad once no tick was completed for this many intervals."""

    def real_interval(self, speed: float) -> float:
        """Return the interval in real seconds under a clock that runs `speed` times as fast."""
        return self.interval_seconds / speed
