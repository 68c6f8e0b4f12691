"""How fast the simulator is: `python benchmarks/simulator.py [--requests N] [--trace FILE]`.

Synthetic traffic: Poisson arrivals, lognormal lengths with means of 1,000 and 200 tokens, an H100 with Llama-3.1-8B at
two thirds of its capacity, least outstanding requests, one core. The kernel alone is timed, in processor time of its
thread, stopping every 15 simulated seconds; generating traffic and compiling are not in it. The trace is replayed
through the shipped policy, monitoring and decisions included.
"""

from __future__ import annotations

import argparse
import itertools
import resource
import time
from pathlib import Path

import numpy as np

from autoscaler.cli.simulate import find_scenario
from autoscaler.experiments.compare import compare
from autoscaler.experiments.contestants import contestants
from autoscaler.experiments.scene import make_scene
from autoscaler.simulator.fleet import Advance, SimulatedFleet, compiled_kernel
from autoscaler.simulator.model import replica_model

RATE_PER_REPLICA = 20.0


def traffic(requests: int, replicas: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(1)
    arrivals = np.cumsum(random.exponential(1 / (RATE_PER_REPLICA * replicas), requests))
    prompts = random.lognormal(np.log(1000) - 0.5, 1.0, requests).clip(1, 16_000).astype(np.int32)
    outputs = random.lognormal(np.log(200) - 0.5, 1.0, requests).clip(1, 4_000).astype(np.int32)
    return arrivals, prompts, outputs


def kernel_seconds(requests: int, replicas: int, compiled: Advance | None) -> tuple[float, float]:
    """Return the seconds in the kernel, and the share of time that the replicas were busy."""
    fleet = SimulatedFleet(replica_model("h100-llama-3.1-8b"), itertools.repeat(0.0), compiled=compiled)
    arrivals, prompts, outputs = traffic(requests, replicas)
    fleet.add_requests(arrivals, prompts, outputs)
    fleet.scale_to(replicas, 0.0)
    end = float(arrivals[-1])
    began = time.thread_time()
    for at in np.arange(15.0, end + 600.0, 15.0).tolist():
        fleet.advance(at)
    seconds = time.thread_time() - began
    assert (fleet.results().outcome == 1).all()
    work = fleet.busy_seconds() - fleet.model.base_seconds * fleet.iterations()
    return seconds, work / (end * replicas)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=3_000_000)
    parser.add_argument("--trace", type=Path, help="for example the Azure conversation trace of 2023")
    options = parser.parse_args()
    compiled = compiled_kernel()
    if compiled is not None:
        began = time.perf_counter()
        kernel_seconds(10, 1, compiled)
        print(f"compiling, or loading what is cached: {time.perf_counter() - began:.2f} s")
        for replicas in (1, 4, 12, 64, 256):
            seconds, load = kernel_seconds(options.requests, replicas, compiled)
            print(f"compiled, {replicas:3d} replicas, load {load:.2f}: {options.requests / seconds:12,.0f} requests/s")
    seconds, load = kernel_seconds(20_000, 12, None)
    print(f"plain,     12 replicas, load {load:.2f}: {20_000 / seconds:12,.0f} requests/s")
    print(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")
    if options.trace:
        document, folder = find_scenario("chat")
        scene = make_scene("chat", document.spec, folder=folder, trace_path=options.trace)
        for mode in (compiled, None):
            (result,) = compare(
                scene, contestants("llm-interactive", scene), compiled=mode, timer=time.perf_counter
            ).scores
            ticks = scene.course.horizon_seconds / scene.course.interval_seconds
            print(
                f"{options.trace.name} {'plain' if mode is None else 'compiled'}: {result.requests} requests in "
                f"{result.wall_seconds:.3f} s, of which {result.decide_seconds:.3f} s deciding "
                f"({1e6 * result.decide_seconds / ticks:.0f} us a decision)"
            )


if __name__ == "__main__":
    main()
