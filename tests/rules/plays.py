"""Generated chat traffic played through one rule and the simulator, or through a fixed fleet."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from autoscaler.documents.engine_spec import compile_spec
from autoscaler.documents.policy import ScalingPolicySpec
from autoscaler.engine.engine import Engine
from autoscaler.engine.spec import Startup
from autoscaler.experiments.score import attained
from autoscaler.simulator.fleet import SimulatedFleet, compiled_kernel
from autoscaler.simulator.model import replica_model
from autoscaler.simulator.replay import Contestant, Course, replay

STARTUP_SECONDS = 80.0
TTFT_SECONDS = 2.0
H100, H100_70B, L40S = "h100-llama-3.1-8b", "h100-llama-3.1-70b-fp8-tp2", "l40s-llama-3.1-8b"
POLICY = {
    "rules": [{"type": "capacity"}],
    "behavior": {"scaleUp": {"stabilizationWindowSeconds": 0}, "scaleDown": {"stabilizationWindowSeconds": 0}},
}


class Traffic(NamedTuple):
    """Requests in order of arrival."""

    arrivals: np.ndarray
    prompts: np.ndarray
    outputs: np.ndarray


class Played(NamedTuple):
    """What became of it."""

    attainment: float
    replica_hours: float
    wanted: list
    """At each tick of 15 s."""

    def changes(self, after_seconds):
        """Return how often the count changed after that many seconds."""
        wanted = self.wanted[int(after_seconds // 15) :]
        return sum(new != old for old, new in itertools.pairwise(wanted))


def lengths(random, count, prompt=1155.0, output=211.0):
    """Return lognormal lengths about as long as a chat's: 1,155 tokens in and 211 out, unless said."""
    drawn = []
    for mean, sigma, most in ((prompt, 1.0, 7000), (output, 0.9, 1500)):
        raw = mean * np.exp(sigma * random.standard_normal(count) - sigma * sigma / 2.0)
        drawn.append(np.clip(np.rint(raw), 1, most).astype(np.int32))
    return drawn


def steady(rate, seconds, seed, **of):
    """Return Poisson arrivals at a constant rate."""
    random = np.random.default_rng(seed)
    arrivals = np.cumsum(random.exponential(1.0 / rate, int(rate * seconds)))
    return Traffic(arrivals, *lengths(random, len(arrivals), **of))


def waving(rate, seconds, seed, amplitude=0.5, period_seconds=1800.0):
    """Return Poisson arrivals at a rate that swells and ebbs."""
    random = np.random.default_rng(seed)
    most = rate * (1.0 + amplitude)
    arrivals = np.cumsum(random.exponential(1.0 / most, int(most * seconds * 1.1)))
    height = (1.0 + amplitude * np.sin(2.0 * np.pi * arrivals / period_seconds)) / (1.0 + amplitude)
    arrivals = arrivals[(arrivals < seconds) & (random.random(len(arrivals)) < height)]
    return Traffic(arrivals, *lengths(random, len(arrivals)))


def bursts(rate, seconds, seed, burst_seconds=10.0, every_seconds=150.0, **of):
    """Return arrivals at a rate that lasts for seconds and comes back after minutes without anybody."""
    random = np.random.default_rng(seed)
    begins = np.cumsum(random.uniform(0.5, 1.5, int(seconds / every_seconds)) * every_seconds)
    arrivals = np.concatenate([begin + burst_seconds * random.random(int(rate * burst_seconds)) for begin in begins])
    return Traffic(np.sort(arrivals), *lengths(random, len(arrivals), **of))


def _fleet(preset, startups, traffic, seed):
    fleet = SimulatedFleet(replica_model(preset), startups, seed=seed, compiled=compiled_kernel())
    fleet.add_requests(*traffic)
    return fleet


def play(preset, traffic, initial, *, rule=None, tpot_seconds=0.05, seed=0):
    """Return what the engine with this rule, or `capacity` as it comes, makes of the traffic on such replicas."""
    seconds = float(traffic.arrivals[-1]) + 60.0
    random = np.random.default_rng([seed, 1])
    cold = (STARTUP_SECONDS * float(np.exp(0.2 * random.standard_normal())) for _ in itertools.count())
    fleet = _fleet(preset, itertools.chain([0.0] * initial, cold), traffic, seed)
    spec = compile_spec(
        ScalingPolicySpec.model_validate(POLICY),
        min_replicas=1,
        max_replicas=50,
        startup=Startup(expected_seconds=STARTUP_SECONDS),
        preset=preset,
        ttft_seconds=TTFT_SECONDS,
        tpot_seconds=tpot_seconds,
    )
    spec = spec if rule is None else replace(spec, rules=(rule,))
    contestant = Contestant("capacity", Engine(spec), tuple(spec.rules[0].needs), spec)
    story = replay(fleet, contestant, Course(seconds, initial, STARTUP_SECONDS), timer=lambda: 0.0)
    held = sum(np.nanmin([life.gone_at, seconds]) - life.created_at for life in fleet.lifetimes())
    met = attained(fleet.results(), TTFT_SECONDS, tpot_seconds)
    return Played(float(met.mean()), held / 3600.0, [tick.wanted for tick in story.ticks])


def fixed(preset, traffic, replicas, *, tpot_seconds):
    """Return which share of the traffic a fixed fleet serves within the objective, its first tenth left out."""
    fleet = _fleet(preset, itertools.repeat(0.0), traffic, 0)
    fleet.scale_to(replicas, 0.0)
    fleet.advance(float(traffic.arrivals[-1]) + 300.0)
    met = attained(fleet.results(), TTFT_SECONDS, tpot_seconds)
    return float(met[len(met) // 10 :].mean())
