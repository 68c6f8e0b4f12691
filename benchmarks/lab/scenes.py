"""The laboratory's traffic: each name and seed gives one scene; arrivals and cold starts are drawn anew with the seed.

The traces are public and lie in the folder of $LAB_TRACES. Everything but the policy is fixed here.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from autoscaler.documents.scenario import TraceLengths, TraceTraffic
from autoscaler.experiments.scene import Objective, Scene
from autoscaler.simulator.coldstart import lognormal
from autoscaler.simulator.model import Serving, replica_model
from autoscaler.simulator.presets import PRESETS
from autoscaler.simulator.replay import Course
from autoscaler.traces.load import load_trace
from autoscaler.traces.trace import Trace
from autoscaler.traces.traffic import Surroundings, recorded

if TYPE_CHECKING:
    from collections.abc import Callable

CONV = "azure-llm-2023-conv.csv.xz"
CODE = "azure-llm-2023-code-first-24min.csv.xz"
MOONCAKE = "mooncake-conversation.jsonl.xz"
REASONING = "servegen-deepseek-r1-clients.tar.xz"
WORLD_CUP = "worldcup98-per-minute-to-1998-06-13.csv.xz"
WEEK = "servegen-m-large-week1-rps-600s.csv.xz"
WORLD_CUP_START = np.datetime64("1998-04-30T21:30:00")
HOUR = 3600.0
WEEKS = {"week": (0.0, 30 * HOUR), "week2": (72 * HOUR, 102 * HOUR)}


class Setting(NamedTuple):
    """One kind of traffic on one kind of replica."""

    preset: str
    tpot_seconds: float
    initial: int
    warm_up_seconds: float
    """Neither scored nor billed."""
    most: int = 40
    ttft_seconds: float = 2.0


H100, L40S, H100_70B = "h100-llama-3.1-8b", "l40s-llama-3.1-8b", "h100-llama-3.1-70b-fp8-tp2"
SETTINGS = {
    "conv": Setting(H100, 0.05, 8, 600),
    "conv70": Setting(H100_70B, 0.1, 16, 600),
    "code": Setting(L40S, 0.1, 8, 1800),
    "wcup": Setting(L40S, 0.1, 3, 1800),
    "wcup8h": Setting(H100, 0.05, 4, 1800),
    "day12": Setting(L40S, 0.1, 3, 1800),
    "day13": Setting(L40S, 0.1, 3, 1800),
    "jun13": Setting(L40S, 0.1, 3, 1800),
    "jun06": Setting(L40S, 0.1, 3, 1800),
    "week": Setting(H100_70B, 0.1, 8, 3600),
    "week2": Setting(H100_70B, 0.1, 8, 3600),
    "reasoning": Setting(H100_70B, 0.1, 12, 3600, ttft_seconds=5.0),
    "long": Setting(H100, 0.1, 20, 600, ttft_seconds=10.0),
    "codetail": Setting(H100, 0.05, 10, 1800),
    "onoff": Setting(L40S, 0.1, 8, 1800),
    "poisson": Setting(H100, 0.05, 8, 600),
    "surges": Setting(L40S, 0.1, 3, 1800),
}


def folder() -> Path:
    return Path(os.environ.get("LAB_TRACES", "traces"))


@cache
def _loaded(name: str) -> Trace:
    return load_trace(folder() / name)


def traffic(name: str, seed: int) -> Trace:
    """Return the requests of one redraw."""
    random = np.random.default_rng([seed, *name.encode()])
    if name in _MADE:
        return _MADE[name](random)
    if name in WEEKS:
        return _recorded(WEEK, WEEKS[name], 0.125, seed)
    if name == "reasoning":
        document = TraceTraffic(path=str(folder() / REASONING), window_seconds=(12 * HOUR, 24 * HOUR), rate_scale=0.5)
        return recorded(document, Surroundings(folder(), seed))
    days = {"wcup": ("1998-06-10T11:00", 11, 0.025), "wcup8h": ("1998-06-11T12:00", 8, 0.16)}
    days |= {"day12": ("1998-06-12T10:00", 11, 0.025), "day13": ("1998-06-06T10:00", 11, 0.035)}
    days |= {"jun13": ("1998-06-13T09:00", 11, 0.08), "jun06": ("1998-06-06T10:00", 11, 0.35)}
    start, hours, scale = days[name]
    begin = float((np.datetime64(start) - WORLD_CUP_START) / np.timedelta64(1, "s"))
    return _recorded(WORLD_CUP, (begin, begin + hours * HOUR), scale, seed)


def _recorded(file: str, window_seconds: tuple[float, float], scale: float, seed: int) -> Trace:
    lengths = TraceLengths(from_trace=str(folder() / CONV))
    document = TraceTraffic(path=str(folder() / file), window_seconds=window_seconds, rate_scale=scale, lengths=lengths)
    return recorded(document, Surroundings(folder(), seed))


def busier(trace: Trace, scale: int, jitter_seconds: float, random: np.random.Generator) -> Trace:
    """Return the trace with `scale` times its requests: shifted a little, with lengths drawn from all of it."""
    count = len(trace.arrival_seconds)
    arrivals = np.tile(trace.arrival_seconds, scale) + random.uniform(-1, 1, count * scale) * jitter_seconds
    return mixed(trace, np.sort(np.maximum(0.0, arrivals)), random)


def mixed(lengths: Trace, arrivals: np.ndarray, random: np.random.Generator) -> Trace:
    """Return arrivals with lengths drawn from a trace."""
    drawn = random.integers(0, len(lengths.arrival_seconds), len(arrivals))
    return Trace(lengths.name, arrivals, lengths.prompt_tokens[drawn], lengths.output_tokens[drawn])


def looped(trace: Trace, times: int) -> Trace:
    """Return the trace played several times, each time with its gaps where they were."""
    period = float(np.ceil(trace.duration_seconds / 60.0) * 60.0)
    arrivals = np.concatenate([trace.arrival_seconds + turn * period for turn in range(times)])
    return Trace(
        trace.name, arrivals, np.tile(trace.prompt_tokens, times), np.tile(trace.output_tokens, times)
    ).ordered()


def surges(random: np.random.Generator) -> Trace:
    """Return twelve hours of a constant rate that is five times as high for a quarter of an hour, at six moments."""
    seconds = np.arange(12 * HOUR)
    rates = np.full(len(seconds), 8.0)
    for start in (1.5, 3.2, 5.4, 6.9, 9.1, 10.7):
        since = seconds - (start * HOUR + random.uniform(-300, 300))
        rates *= 1 + 4 * np.clip(np.minimum(since / 60, (960 - since) / 60), 0, 1)
    counts = random.poisson(rates)
    arrivals = np.repeat(seconds, counts) + random.random(int(counts.sum()))
    return mixed(_loaded(CONV), np.sort(arrivals), random)


def _poisson(random: np.random.Generator) -> Trace:
    return mixed(_loaded(CONV), np.cumsum(random.exponential(1 / 150.0, int(150 * 1.2 * HOUR))), random)


def _code_tail(random: np.random.Generator) -> Trace:
    trace = _loaded(CODE)
    tail = trace.take(slice(int(np.searchsorted(trace.arrival_seconds, 720.0)), None))
    tail = tail._replace(arrival_seconds=tail.arrival_seconds - 720.0)
    return looped(busier(tail, 8, 5.0, random), 12)


def on_off(random: np.random.Generator) -> Trace:
    """Return three hours of the code trace's requests that come in bursts of half a minute, minutes apart."""
    parts, moment = [], 0.0
    while True:
        moment += random.exponential(100.0)
        length = random.exponential(30.0)
        if moment + length > 3 * HOUR:
            break
        parts.append(moment + length * random.random(random.poisson(25.0 * length)))
        moment += length
    return mixed(_loaded(CODE), np.sort(np.concatenate(parts)), random)


_MADE: dict[str, Callable[[np.random.Generator], Trace]] = {
    "conv": lambda random: busier(_loaded(CONV), 30, 5.0, random),
    "conv70": lambda random: busier(_loaded(CONV), 10, 5.0, random),
    "code": lambda random: looped(busier(_loaded(CODE), 3, 5.0, random), 5),
    "codetail": _code_tail,
    "onoff": on_off,
    "long": lambda random: busier(_loaded(MOONCAKE), 10, 1.5, random),
    "poisson": _poisson,
    "surges": surges,
}


def scene(name: str, seed: int, cold_start_seconds: float) -> Scene:
    """Return the scene: clients wait for a minute, cold starts vary by a fifth, the bill ends with the last arrival."""
    return staged(name, traffic(name, seed), seed, cold_start_seconds)


def staged(name: str, trace: Trace, seed: int, cold_start_seconds: float) -> Scene:
    """Return the scene of that name with requests of one's own."""
    setting = SETTINGS[name]
    preset = PRESETS[setting.preset]
    course = Course(trace.duration_seconds, setting.initial, cold_start_seconds)
    model = replica_model(setting.preset, Serving(client_timeout_seconds=60.0))
    objective = Objective(setting.ttft_seconds, setting.tpot_seconds)
    cold_start = lognormal(cold_start_seconds, 0.2)
    return Scene(name, seed, preset, objective, trace, model, cold_start, course, 1, setting.most, preset.gpus, 2.5)
