"""A short history of one number, as a memory: each value under its time, oldest forgotten."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autoscaler.engine.proposal import Memory


def record(memory: Memory, at: float, value: float, keep_seconds: float) -> dict[str, float | int | str | bool | None]:
    """Return the memory with one more value, and without those of `keep_seconds` ago and before."""
    kept = {key: old for key, old in memory.items() if at - float(key) < keep_seconds}
    return {**kept, repr(at): value}


def within(memory: Memory, now: float, window_seconds: float) -> list[float]:
    """Return the values less than `window_seconds` old, in the order of recording."""
    ages = ((now - float(key), value) for key, value in memory.items())
    return [float(value) for age, value in ages if value is not None and 0 <= age < window_seconds]


def mean(values: list[float]) -> float | None:
    """Return the mean; None of nothing."""
    return math.fsum(values) / len(values) if values else None
