"""Seeded synthetic traffic: Poisson arrivals at a rate that waves, bursts and pauses, and lognormal lengths.

The rate is constant within each second: counts are Poisson, moments uniform. Arrivals, prompts and outputs draw from
streams of their own, so that changing one leaves the others.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from autoscaler.traces.trace import Floats, Integers, Trace

if TYPE_CHECKING:
    from autoscaler.documents.scenario import GeneratedTraffic, TokenLengths


def generate(traffic: GeneratedTraffic, duration_seconds: float, seed: int) -> Trace:
    """Return the requests of `duration_seconds`; the same for the same arguments."""
    streams = [np.random.Generator(np.random.PCG64(child)) for child in np.random.SeedSequence(seed).spawn(4)]
    rates = _rates(traffic, duration_seconds, streams[0])
    counts = streams[1].poisson(rates)
    starts = np.repeat(np.arange(len(rates), dtype=np.float64), counts)
    arrivals = starts + streams[1].random(len(starts))
    arrivals.sort()
    arrivals = arrivals[arrivals < duration_seconds]
    prompts = _lengths(traffic.prompt_tokens, len(arrivals), streams[2])
    outputs = _lengths(traffic.output_tokens, len(arrivals), streams[3])
    return Trace(f"generator, seed {seed}", arrivals, prompts, outputs)


def _rates(traffic: GeneratedTraffic, duration_seconds: float, stream: np.random.Generator) -> Floats:
    """Return the rate in each second."""
    seconds: Floats = np.arange(math.ceil(duration_seconds), dtype=np.float64) + 0.5
    rates = np.full(len(seconds), float(traffic.requests_per_second))
    if traffic.diurnal is not None:
        wave = np.sin(2 * math.pi * seconds / traffic.diurnal.period_seconds)
        rates *= 1 + traffic.diurnal.amplitude * wave
    if traffic.bursts is not None:
        during = _spells(seconds, traffic.bursts.every_seconds, traffic.bursts.duration_seconds, stream)
        rates[during] *= traffic.bursts.factor
    if traffic.idle_gaps is not None:
        rates[_spells(seconds, traffic.idle_gaps.every_seconds, traffic.idle_gaps.duration_seconds, stream)] = 0
    return rates


def _spells(
    seconds: Floats, every_seconds: float, duration_seconds: float, stream: np.random.Generator
) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Return which seconds lie in a spell; from one's end to the next one's start it is `every_seconds` in the mean."""
    inside = np.zeros(len(seconds), bool)
    start = stream.exponential(every_seconds)
    while start < len(seconds):
        inside[round(start) : max(round(start) + 1, round(start + duration_seconds))] = True
        start += duration_seconds + stream.exponential(every_seconds)
    return inside


def _lengths(lengths: TokenLengths, count: int, stream: np.random.Generator) -> Integers:
    center = math.log(lengths.mean) - lengths.sigma**2 / 2
    drawn = np.rint(stream.lognormal(center, lengths.sigma, count))
    return np.clip(drawn, 1, lengths.limit).astype(np.int32)
