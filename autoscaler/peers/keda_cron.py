"""KEDA's cron trigger: whether its window is open.

Upstream: kedacore/keda pkg/scalers/cron_scaler.go, `IsActive` and `GetMetricsAndActivity`. Both expressions are read
forward: the window is closed only while the next start comes before the next end. What differs: around a change of
the clock, the wall clock of the zone is compared, and not the seconds that are left.
"""

from __future__ import annotations

import math
from functools import lru_cache

from autoscaler.cron import parse_cron, wall_clock

OUTSIDE_REPLICAS = 1.0
"""What the trigger asks for while its window is closed: upstream's `defaultDesiredReplicas`."""

_parsed = lru_cache(maxsize=256)(parse_cron)


def is_open(start: str, end: str, time_zone: str, now: float) -> bool:
    """Return whether the window is open at `now` (UTC epoch seconds)."""
    return _is_open(start, end, time_zone, math.floor(now / 60))


@lru_cache(maxsize=1024)
def _is_open(start: str, end: str, time_zone: str, minute: int) -> bool:
    wall = wall_clock(minute, time_zone)
    begins, ends = _parsed(start).next(wall), _parsed(end).next(wall)
    return begins is None or ends is None or not begins < ends
