"""Seeded synthetic traffic: a rate that waves, bursts, pauses and is overrun, gaps of a given CV, lognormal lengths.

The rate is constant within each second. Gaps of mean 1 and the CV asked for are laid one after the other, and each
arrival stands where the rate, summed up from the start, has reached their sum: a renewal process in the time that runs
as fast as the rate (Gerhardt & Nelson, 2009). So

- the mean number of requests by a moment is the sum of the rate to there, within (CV² - 1)/2 requests;
- while the rate stays the same, gaps have the mean 1/rate and the CV asked for, and counts over times that are long
  against them have CV² times the variance of Poisson counts;
- prompts and outputs are independent of all that and of each other, with the moments that `lognormal` documents.

Rate, gaps, prompts and outputs draw from streams of their own, so that changing one leaves the others.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from autoscaler.errors import TraceError
from autoscaler.traces.gaps import draw, shape_of
from autoscaler.traces.lengths import lognormal
from autoscaler.traces.trace import Flags, Floats, Trace

if TYPE_CHECKING:
    from autoscaler.documents.scenario import FlashCrowd, GeneratedTraffic

MOST_REQUESTS = 200_000_000
_DAY_SECONDS = 86400
_MOST_SECONDS = 100_000_000.0
"""Three years: the rate is kept for each second."""
_BLOCK = 1_000_000
"""Gaps that are drawn together."""


def generate(traffic: GeneratedTraffic, duration_seconds: float, seed: int) -> Trace:
    """Return the requests of `duration_seconds`; the same for the same arguments.

    Raises:
        TraceError: it lasts too long, or it would be too many requests.
    """
    if duration_seconds > _MOST_SECONDS:
        raise TraceError(f"generator: must last at most {_MOST_SECONDS:g} seconds (found {duration_seconds:g})")
    streams = [np.random.Generator(np.random.PCG64(child)) for child in np.random.SeedSequence(seed).spawn(4)]
    arrivals = _arrivals(traffic, _rates(traffic, duration_seconds, streams[0]), duration_seconds, streams[1])
    prompts = lognormal(traffic.prompt_tokens, len(arrivals), streams[2])
    outputs = lognormal(traffic.output_tokens, len(arrivals), streams[3])
    return Trace(f"generator, seed {seed}", arrivals, prompts, outputs)


def _arrivals(traffic: GeneratedTraffic, rates: Floats, duration_seconds: float, stream: np.random.Generator) -> Floats:
    seconds: Floats = np.minimum(np.arange(len(rates) + 1, dtype=np.float64), duration_seconds)
    load = np.concatenate(([0.0], np.cumsum(rates * np.diff(seconds))))
    if load[-1] > MOST_REQUESTS:
        raise TraceError(f"generator: must make at most {MOST_REQUESTS} requests (found about {load[-1]:.3g})")
    shape = shape_of(traffic.gaps.family, traffic.gaps.cv)
    block = min(_BLOCK, max(1000, math.ceil(load[-1])))
    reached, parts = 0.0, []
    while reached < load[-1]:
        sums = reached + np.cumsum(draw(traffic.gaps.family, shape, block, stream))
        reached = float(sums[-1])
        parts.append(np.interp(sums[: np.searchsorted(sums, load[-1])], load, seconds))
    return np.concatenate(parts) if parts else np.empty(0)


def _rates(traffic: GeneratedTraffic, duration_seconds: float, stream: np.random.Generator) -> Floats:
    """Return the rate in each second."""
    seconds: Floats = np.arange(math.ceil(duration_seconds), dtype=np.float64) + 0.5
    rates = np.full(len(seconds), float(traffic.requests_per_second))
    if traffic.diurnal is not None:
        wave = np.sin(2 * math.pi * seconds / traffic.diurnal.period_seconds)
        rates *= 1 + traffic.diurnal.amplitude * wave
    if traffic.weekly is not None:
        rates *= np.array(traffic.weekly.day_factors)[(seconds // _DAY_SECONDS).astype(np.int64) % 7]
    for crowd in traffic.flash_crowds:
        rates *= 1 + (crowd.factor - 1) * _height(crowd, seconds)
    if traffic.bursts is not None:
        during = _spells(seconds, traffic.bursts.every_seconds, traffic.bursts.duration_seconds, stream)
        rates[during] *= traffic.bursts.factor
    if traffic.idle_gaps is not None:
        rates[_spells(seconds, traffic.idle_gaps.every_seconds, traffic.idle_gaps.duration_seconds, stream)] = 0
    return rates


def _height(crowd: FlashCrowd, seconds: Floats) -> Floats:
    """Return how much of a crowd is there, from 0 to 1."""
    since = seconds - crowd.at_seconds
    rising = since / crowd.rise_seconds if crowd.rise_seconds else np.where(since >= 0, 1.0, 0.0)
    over = np.maximum(0.0, since - crowd.rise_seconds - crowd.hold_seconds)
    fading = np.exp(-over / crowd.decay_seconds) if crowd.decay_seconds else np.where(over > 0, 0.0, 1.0)
    return np.asarray(np.clip(rising, 0, 1) * fading)


def _spells(seconds: Floats, every_seconds: float, duration_seconds: float, stream: np.random.Generator) -> Flags:
    """Return which seconds lie in a spell; from one's end to the next one's start it is `every_seconds` in the mean."""
    inside = np.zeros(len(seconds), bool)
    start = stream.exponential(every_seconds)
    while start < len(seconds):
        inside[round(start) : max(round(start) + 1, round(start + duration_seconds))] = True
        start += duration_seconds + stream.exponential(every_seconds)
    return inside
