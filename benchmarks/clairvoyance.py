"""Time and tightness of the two clairvoyant references on the Azure conversation hour, many times as busy.

Usage: python -m benchmarks.clairvoyance TRACE [--scale 30] [--cold-start 80] [--initial 8] [--refinements 0] [--jobs 1]

Each request of the trace comes `scale` times, its arrivals shifted by up to five seconds and its lengths drawn anew
from the trace, so that the hour keeps its shape. The first ten minutes are left out; capacity is billed to the last
arrival. Prints one line per cold start: bound and oracle in GPU-hours, their quotient, and the seconds each took.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from autoscaler.experiments.bound import bound_gpu_hours, shortest_start_seconds
from autoscaler.experiments.oracle import oracle
from autoscaler.experiments.scene import Objective, Scene
from autoscaler.simulator.coldstart import lognormal
from autoscaler.simulator.fleet import compiled_kernel
from autoscaler.simulator.model import Serving, replica_model
from autoscaler.simulator.presets import PRESETS
from autoscaler.simulator.replay import Course
from autoscaler.traces.load import load_trace
from autoscaler.traces.trace import Trace

PRESET = "h100-llama-3.1-8b"
SKIPPED_SECONDS = 600.0
JITTER_SECONDS = 5.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("trace", type=Path)
    parser.add_argument("--scale", type=int, default=30)
    parser.add_argument("--cold-start", type=float, nargs="+", default=[80.0, 300.0])
    parser.add_argument("--initial", type=int, default=8)
    parser.add_argument("--refinements", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args()
    trace = busier(load_trace(arguments.trace), arguments.scale)
    print(f"{len(trace.arrival_seconds)} requests in {trace.duration_seconds / 60:.1f} minutes, {PRESET}")
    for cold_start in arguments.cold_start:
        show(scene_of(trace, cold_start, arguments.initial), arguments)


def show(scene: Scene, arguments: argparse.Namespace) -> None:
    bound = bound_gpu_hours(
        scene.trace,
        scene.model,
        scene.objective,
        cold_start_seconds=shortest_start_seconds(scene),
        horizon_seconds=scene.course.horizon_seconds,
        initial_replicas=scene.course.initial_replicas,
        minimum_replicas=scene.min_replicas,
        timer=time.perf_counter,
    )
    began = time.perf_counter()
    found = oracle(scene, compiled=compiled_kernel(), refinements=arguments.refinements, processes=arguments.jobs)
    seconds = time.perf_counter() - began
    print(
        f"cold start {scene.cold_start.median_seconds:g} s: bound {bound.gpu_hours:.2f} GPU-hours ({bound.status}, "
        f"{bound.windows} windows, {bound.seconds:.1f} s), oracle {found.gpu_hours:.2f} at {found.attainment:.4f} "
        f"({found.variants} schedules, {seconds:.1f} s): {found.gpu_hours / bound.gpu_hours:.2f} times the bound"
    )


def busier(trace: Trace, scale: int) -> Trace:
    """Return the trace with `scale` times its requests, from ten minutes after its beginning."""
    random = np.random.default_rng(0)
    count = len(trace.arrival_seconds)
    arrivals = np.tile(trace.arrival_seconds, scale) + random.uniform(-1, 1, count * scale) * JITTER_SECONDS
    drawn = random.integers(0, count, count * scale)
    later = Trace(trace.name, arrivals - SKIPPED_SECONDS, trace.prompt_tokens[drawn], trace.output_tokens[drawn])
    return later.take(later.arrival_seconds >= 0).ordered()


def scene_of(trace: Trace, cold_start_seconds: float, initial: int) -> Scene:
    """Return the scene: the chat objective, clients that wait for a minute, cold starts that vary by a fifth."""
    preset = PRESETS[PRESET]
    course = Course(trace.duration_seconds, initial, cold_start_seconds)
    model = replica_model(PRESET, Serving(client_timeout_seconds=60.0))
    cold_start = lognormal(cold_start_seconds, 0.2)
    return Scene("busier", 0, preset, Objective(2.0, 0.05), trace, model, cold_start, course, 1, 40, preset.gpus, 2.5)


if __name__ == "__main__":
    main()
