"""Traffic for the benchmarks of the simulator: made in place, so that 44 million requests need 16 bytes each."""

from __future__ import annotations

from typing import Any

import numpy as np

CHUNK = 1_000_000
Arrays = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]


def requests(count: int, per_second: float, seed: int = 1) -> Arrays:
    """Return Poisson arrivals, and prompts and outputs of lognormal lengths with means of 1,000 and 200 tokens."""
    random = np.random.default_rng(seed)
    arrivals, prompts, outputs = np.empty(count), np.empty(count, np.int32), np.empty(count, np.int32)
    at = 0.0
    for begin in range(0, count, CHUNK):
        part = slice(begin, min(begin + CHUNK, count))
        size = part.stop - part.start
        arrivals[part] = at + np.cumsum(random.exponential(1 / per_second, size))
        at = float(arrivals[part.stop - 1])
        prompts[part] = random.lognormal(np.log(1000) - 0.5, 1.0, size).clip(1, 16_000)
        outputs[part] = random.lognormal(np.log(200) - 0.5, 1.0, size).clip(1, 4_000)
    return arrivals, prompts, outputs


def through_the_week(arrivals: np.ndarray[Any, Any], seconds: float, amplitude: float = 0.6) -> None:
    """Move the arrivals, in place, to the days of `seconds`: weekdays busier than weekends, noon than midnight."""
    grid = np.arange(0.0, seconds + 60.0, 60.0)
    day = (grid / 86_400).astype(int)
    rate = (1 - amplitude * np.cos(2 * np.pi * grid / 86_400)) * np.where(day % 7 < 5, 1.0, 0.55)
    passed = np.concatenate([[0.0], np.cumsum((rate[1:] + rate[:-1]) / 2)])
    scale = float(passed[-1]) / (float(arrivals[-1]) * (1 + 1e-9))
    for begin in range(0, len(arrivals), CHUNK):
        part = arrivals[begin : begin + CHUNK]
        part[:] = np.interp(part * scale, passed, grid)
