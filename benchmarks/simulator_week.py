"""A week of 44 million requests on one core: `python benchmarks/simulator_week.py [--requests N] [--policy NAME]`.

Weekdays and weekends, noon and midnight; lognormal lengths with means of 1,000 and 200 tokens; least outstanding
requests; Llama-3.1-8B. First a fixed fleet of 12 H100 that stops every 15 s, then about 12 A100 on average that a
policy scales every 15 s, with scrapes, rate windows, quantiles and all. Each has a process of its own, for its peak
memory is measured. The kernel's time is processor time.
"""

from __future__ import annotations

import argparse
import itertools
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from autoscaler.experiments.contestants import contestants
from autoscaler.experiments.scene import make_scene
from autoscaler.simulator.fleet import SimulatedFleet, compiled_kernel
from autoscaler.simulator.model import replica_model
from autoscaler.simulator.replay import Contestant, Course, replay

if TYPE_CHECKING:
    from autoscaler.simulator.fleet import Advance, Results

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.simulator_traffic import CHUNK, requests, through_the_week

WEEK_SECONDS = 7 * 86_400.0
FIXED, SCALED = "h100-llama-3.1-8b", "a100-llama-3.1-8b"


class Timed:
    """The compiled kernel, and the processor time spent in it."""

    def __init__(self, compiled: Advance) -> None:
        self._compiled = compiled
        self.seconds = 0.0

    def __call__(self, *arrays: Any) -> None:  # noqa: ANN401 - as the kernel's
        """Simulate in place."""
        began = time.thread_time()
        self._compiled(*arrays)
        self.seconds += time.thread_time() - began


def quantiles(results: Results, shares: tuple[float, ...]) -> list[float]:
    """Return quantiles of TTFT from a histogram of 1 % wide buckets: no sorting, no second array of that length."""
    edges = np.exp(np.arange(np.log(1e-3), np.log(1e5), 0.01))
    counts = np.zeros(len(edges) + 1, np.int64)
    for begin in range(0, len(results.arrival), CHUNK):
        part = slice(begin, begin + CHUNK)
        waited = results.first_token[part] - results.arrival[part]
        counts += np.bincount(np.searchsorted(edges, waited[~np.isnan(waited)]), minlength=len(counts))
    passed = np.cumsum(counts)
    return [float(edges[np.searchsorted(passed, share * passed[-1])]) for share in shares]


def policy_contestant(name: str) -> Contestant:
    """Return a shipped policy with room for 64 replicas, as `autoscaler simulate` would run it."""
    from autoscaler.documents.scenario import ScenarioSpec

    traffic = {"generator": {"durationSeconds": 60}}
    spec = ScenarioSpec.model_validate({"preset": SCALED, "maxReplicas": 64, "traffic": traffic})
    (contestant,) = contestants(name, make_scene("week", spec, folder=Path()))
    return contestant


def run(count: int, policy: str | None) -> None:
    """Simulate the week and print a line."""
    compiled = compiled_kernel()
    if compiled is None:
        sys.exit("needs numba: pip install 'autoscaler[sim]'")
    warm = SimulatedFleet(replica_model(FIXED), itertools.repeat(0.0), compiled=compiled)
    warm.advance(1.0)
    kernel = Timed(compiled)
    model = replica_model(SCALED if policy else FIXED)
    arrivals, prompts, outputs = requests(count, 1.0)
    through_the_week(arrivals, WEEK_SECONDS)
    fleet = SimulatedFleet(model, itertools.chain([0.0] * 12, itertools.repeat(80.0)), compiled=kernel)
    fleet.add_requests(arrivals, prompts, outputs)
    began = time.perf_counter()
    decide_seconds = 0.0
    if policy:
        course = Course(WEEK_SECONDS + 600.0, 12, 80.0)
        decide_seconds = replay(fleet, policy_contestant(policy), course, timer=time.perf_counter).decide_seconds
    else:
        fleet.scale_to(12, 0.0)
        for at in np.arange(15.0, WEEK_SECONDS + 600.0, 15.0).tolist():
            fleet.advance(at)
    wall = time.perf_counter() - began
    lives = np.array(fleet.lifetimes())
    gone = np.where(np.isnan(lives[:, 3]), fleet.now, lives[:, 3])
    p50, p99 = quantiles(fleet.results(), (0.5, 0.99))
    done = int(fleet.results().outcome.sum(dtype=np.int64))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"| {policy or 'fixed'} | {float((gone - lives[:, 1]).sum()) / fleet.now:.1f} | {done:,} | "
        f"{kernel.seconds:.1f} s | {count / kernel.seconds / 1e6:.2f} M/s | {wall:.1f} s | {decide_seconds:.1f} s | "
        f"{p50:.3f} / {p99:.3f} s | {peak:.2f} GB | {os.getloadavg()[0]:.1f} |",
        flush=True,
    )


def main() -> None:
    """Run both in processes of their own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=44_000_000)
    parser.add_argument("--policy", default="llm-interactive")
    parser.add_argument("--only", choices=["fixed", "scaled"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        run(options.requests, options.policy if options.only == "scaled" else None)
        return
    print("| fleet | mean replicas | completed | in the kernel | | wall | deciding | TTFT p50 / p99 | memory | load |")
    print("|---|---|---|---|---|---|---|---|---|---|", flush=True)
    for only in ("fixed", "scaled"):
        arguments = ["--requests", str(options.requests), "--policy", options.policy, "--only", only]
        subprocess.run([sys.executable, __file__, *arguments], check=True)


if __name__ == "__main__":
    main()
