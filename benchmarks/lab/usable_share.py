"""How full replicas of random make may be: the fleets that `autoscaler.rules.usable` was fitted to, and the fit.

Usage: python -m benchmarks.lab.usable_share [--fleets 260] [--jobs 2]

Each fleet has a preset, an objective, lengths and a size drawn at random, Poisson arrivals, a fixed count. The load
at which 99 % of its requests meet TTFT 2 s and the objective is found by bisection over two draws. Then
`z = ln(1.08 · left / rho - 1)` is fitted to what the rule knows of a fleet, by least absolute deviations. Fleets that
their KV cache or their batch limits are left out of the fit. The 211 left of 260 give, from constant to decoding time,
1.01, -0.47, -0.32, 1.25, -1.47 and 0.28; the rule's constants are those of the first 233 that were run.
"""

from __future__ import annotations

import argparse
import math
import time
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

import numpy as np

from autoscaler.experiments.scene import Objective, Scene
from autoscaler.experiments.score import attained
from autoscaler.rules.work import Coefficients
from autoscaler.simulator.coldstart import lognormal
from autoscaler.simulator.fleet import compiled_kernel
from autoscaler.simulator.model import Serving, replica_model
from autoscaler.simulator.presets import PRESETS
from autoscaler.simulator.replay import Course, replay
from autoscaler.traces.trace import Trace
from benchmarks.lab.runs import fixed

ATTAINMENT, TTFT_SECONDS, BATCH_REQUESTS = 0.99, 2.0, 256.0
SCALE = 1.08
SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
BISECTIONS, DRAWS = 7, (1, 2)


class Make(NamedTuple):
    """One random fleet."""

    preset: str
    replicas: int
    tpot_seconds: float
    prompts: np.ndarray
    outputs: np.ndarray

    @property
    def coefficients(self) -> Coefficients:
        """In seconds."""
        one = PRESETS[self.preset]
        return Coefficients(*(ms / 1e3 for ms in (one.base_ms, one.prefill_ms, one.sequence_ms, one.context_ms)))

    @property
    def work_seconds(self) -> float:
        """Of the mean request."""
        return self.coefficients.work_seconds(float(self.prompts.mean()), float(self.outputs.mean()))


def make(number: int) -> Make:
    """Return the fleet of that number."""
    random = np.random.default_rng(1000 + number)
    preset = PRESETS[random.choice(list(PRESETS))]
    tpot_seconds = float(min(0.25, max(0.02, preset.base_ms / 1e3 * random.uniform(1.8, 7))))
    prompt_tokens = math.exp(random.uniform(math.log(150), math.log(6000)))
    output_tokens = math.exp(random.uniform(math.log(12), math.log(600)))
    prompt_cv, output_cv = random.uniform(0.5, 1.3), random.uniform(0.6, 1.2)
    prompts = np.minimum(_lengths(random, prompt_tokens, prompt_cv), preset.context_tokens // 2)
    outputs = np.clip(_lengths(random, output_tokens, output_cv), 2, preset.context_tokens // 4)
    return Make(preset.name, int(random.choice(SIZES)), tpot_seconds, prompts, outputs)


def _lengths(random: np.random.Generator, mean: float, cv: float) -> np.ndarray:
    sigma = math.sqrt(math.log(1 + cv * cv))
    return np.maximum(1, random.lognormal(math.log(mean) - sigma * sigma / 2, sigma, 20_000)).astype(np.int64)


def attainment(of: Make, share: float, seed: int) -> float:
    """Return what requests meet the objective at a load of so much of each replica, of those in the middle."""
    rate = share * of.replicas / of.work_seconds
    seconds = min(1500.0, max(500.0, 60_000 / rate))
    random, count = np.random.default_rng(seed), int(rate * seconds)
    arrivals = np.cumsum(random.exponential(1 / rate, count))
    drawn = random.integers(0, len(of.prompts), count)
    preset = PRESETS[of.preset]
    scene = Scene(
        "usable", seed, preset, Objective(TTFT_SECONDS, of.tpot_seconds),
        Trace("drawn", arrivals, of.prompts[drawn], of.outputs[drawn]),
        replica_model(of.preset, Serving(client_timeout_seconds=60.0)), lognormal(80.0, 0.2),
        Course(seconds, of.replicas, 80.0), 1, 80, preset.gpus, 2.5,
    )  # fmt: skip
    fleet = scene.fleet(compiled_kernel())
    replay(fleet, fixed(of.replicas, scene), scene.course, timer=time.perf_counter)
    fleet.advance(seconds + 120.0)
    results = fleet.results()
    middle = (results.arrival > 180.0) & (results.arrival < seconds - 60.0)
    return float(attained(results, *scene.objective)[middle].mean())


def share_of(number: int) -> float:
    """Return how full the fleet of that number may be."""
    of, low, high = make(number), 0.05, 1.1
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        if np.mean([attainment(of, middle, seed) for seed in DRAWS]) >= ATTAINMENT:
            low = middle
        else:
            high = middle
    return low


def known(of: Make) -> tuple[list[float], float, bool]:
    """Return the regressors, what the objective leaves, and whether its cache or its batch is what limits."""
    own, inputs, outputs = of.coefficients, float(of.prompts.mean()), float(of.outputs.mean())
    left, allowed = 1 - own.base_seconds / of.tpot_seconds, of.tpot_seconds * outputs
    reading = own.prompt_token_seconds * inputs / of.work_seconds
    at_once = min(BATCH_REQUESTS, PRESETS[of.preset].kv_tokens / (inputs + outputs))
    busy = at_once * of.work_seconds / (outputs * own.base_seconds)
    x = [max(1.0, allowed) / of.work_seconds, of.replicas, reading, left, allowed]
    return [1.0, *map(math.log, x)], left, busy / (1 + busy) <= 0.95 * left


def fit(shares: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Return the coefficients by reweighted least squares, and the relative errors of the fleets fitted."""
    rows = [(*known(make(number)), share) for number, share in enumerate(shares) if 0.08 < share < 1.08]
    used = [(x, left, share) for x, left, limited, share in rows if not limited]
    x, left, share = np.array([u[0] for u in used]), np.array([u[1] for u in used]), np.array([u[2] for u in used])
    y = np.log(np.clip(SCALE * left / share - 1, 1e-3, None))
    beta = np.linalg.lstsq(x, y, rcond=None)[0]
    for _ in range(15):
        weight = np.sqrt(1 / np.maximum(0.15, np.abs(y - x @ beta)))
        beta = np.linalg.lstsq(x * weight[:, None], y * weight, rcond=None)[0]
    return beta, SCALE * left / (1 + np.exp(x @ beta)) / share - 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--fleets", type=int, default=260)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    with ProcessPoolExecutor(arguments.jobs) as pool:
        shares = list(pool.map(share_of, range(arguments.fleets)))
    beta, errors = fit(shares)
    print("constant, ln(T/w), ln N, ln phi, ln left, ln(s · out):", *(f"{one:.3f}" for one in beta))
    print(
        f"{len(errors)} fleets: off by {np.median(abs(errors)):.1%} in the median, "
        f"{np.quantile(abs(errors), 0.9):.1%} at the ninth decile"
    )


if __name__ == "__main__":
    main()
