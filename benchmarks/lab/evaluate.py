"""Attainment and GPU-hours of our policy, fixed fleets, the field and the oracle, over redraws of each scene.

Usage: LAB_TRACES=FOLDER python -m benchmarks.lab.evaluate [SCENE:COLD_START ...] [--seeds 5] [--jobs 2]
       [--tune] [--oracle] [--bound] [--change '{"usablePercent": 80}'] [--advisor 96]

Each cell is attainment / GPU-hours after the warm-up, the mean over the seeds, with the lowest attainment and the
spread of GPU-hours. With `--tune` each peer runs with every setting of its grid: the one that is cheapest at 99 % on
the first three seeds (mean) is judged on the others. The best fixed fleet is chosen in the same way. With `--oracle`
and `--bound` the clairvoyant references of seed 0 are printed; the bound is of the whole trace, warm-up included.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from autoscaler.documents.load import find_policy
from autoscaler.experiments.bound import bound_gpu_hours, shortest_start_seconds
from autoscaler.experiments.oracle import oracle
from autoscaler.simulator.fleet import compiled_kernel
from benchmarks.lab.runs import advised, fixed, native, ours, ready_made, run, scheduled
from benchmarks.lab.scenes import SETTINGS, scene

if TYPE_CHECKING:
    from autoscaler.experiments.scene import Scene
    from autoscaler.simulator.replay import Contestant

CASES = (
    ("conv", 80), ("conv", 300), ("conv70", 80), ("poisson", 80), ("wcup", 80), ("wcup", 300), ("wcup8h", 300),
    ("week", 80), ("code", 80), ("code", 300), ("surges", 80),
)  # fmt: skip
HELD_OUT = (("day12", 80), ("day12", 300), ("day13", 80), ("day13", 300))
PENDING_TARGETS = (24.0, 32.0, 48.0, 64.0, 80.0, 96.0)
TUNED_ON = 3


class Cell(NamedTuple):
    """One contestant in one scene."""

    attainment: float
    gpu_hours: float
    actions: int
    decide_microseconds: float


def contestant(name: str, place: Scene, changes: dict[str, Any]) -> Contestant:
    """Return whoever a name stands for; `kind@number` is a peer with one parameter set."""
    kind, _, value = name.partition("@")
    if kind in ("ours", "advisor"):
        policy = advised(place, float(value), **changes) if value else ours(place, **changes)
        return native(name, policy, place)
    if kind == "fixed":
        return fixed(int(value), place)
    if kind == "hf-pending":
        return ready_made("huggingFace", place, metric="pendingRequests", threshold=float(value))
    if kind in ("hpa-pending", "keda-pending"):
        metric = {"type": "Pods", "signals": ["pendingRequests"], "averageValue": float(value)}
        if kind == "keda-pending":
            metric["type"] = "External"
        return ready_made("hpa", place, metrics=[metric])
    found = find_policy(name, {})
    if found is not None:
        policy = found.spec.model_dump(mode="json", by_alias=True, exclude_none=True)
        return native(name, policy, place)
    return ready_made(name, place)


def cell(changes: dict[str, Any], job: tuple[str, int, int, str]) -> Cell:
    """Return one run's figures; the fixed fleet starts with all its replicas."""
    name, cold_start, seed, who = job
    place = scene(name, seed, float(cold_start))
    if who.startswith("fixed@"):
        place = place._replace(course=type(place.course)(place.course.horizon_seconds, int(who[6:]), float(cold_start)))
    result = run(place, contestant(who, place, changes))
    return Cell(*result[:4])


def row(name: str, cold_start: int, who: str, cells: list[Cell]) -> None:
    shares, hours = [one.attainment for one in cells], [one.gpu_hours for one in cells]
    mean = statistics.fmean(hours)
    print(
        f"{name:8} {cold_start:4} {who:18} {statistics.fmean(shares):.4f} / {mean:8.2f}   lowest {min(shares):.4f}   "
        f"spread {100 * (max(hours) - min(hours)) / mean:4.1f} %   actions "
        f"{statistics.fmean(c.actions for c in cells):5.0f}   "
        f"{statistics.fmean(c.decide_microseconds for c in cells):4.0f} us",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("cases", nargs="*", help="such as conv:80; left out, all that the policy was built on")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--tune", action="store_true")
    parser.add_argument("--oracle", action="store_true")
    parser.add_argument("--bound", action="store_true")
    parser.add_argument("--also", nargs="*", default=[], help="peers by name, such as hf-pending@64 or knative")
    parser.add_argument("--advisor", type=float, nargs="*", default=[], help="replica-hours a day that it may spend")
    parser.add_argument("--change", type=json.loads, default={}, help="parameters of our rule, as JSON")
    arguments = parser.parse_args()
    cases = [(case.split(":")[0], int(case.split(":")[1])) for case in arguments.cases] or [*CASES, *HELD_OUT]
    with ProcessPoolExecutor(arguments.jobs) as pool:
        for name, cold_start in cases:
            show(name, cold_start, arguments, pool)


def show(name: str, cold_start: int, arguments: argparse.Namespace, pool: ProcessPoolExecutor) -> None:
    """Print the rows of one scene."""

    def cells(who: str, seeds: range) -> list[Cell]:
        jobs = [(name, cold_start, seed, who) for seed in seeds]
        return list(pool.map(partial(cell, arguments.change), jobs))

    every = range(arguments.seeds)
    for who in ("ours", *(f"advisor@{limit:g}" for limit in arguments.advisor), *arguments.also):
        row(name, cold_start, who, cells(who, every))
    if arguments.tune:
        first, rest = range(TUNED_ON), range(TUNED_ON, arguments.seeds)
        count = best_fixed(cells, first)
        row(name, cold_start, f"fixed@{count}", cells(f"fixed@{count}", rest))
        for kind in ("hf-pending", "hpa-pending"):
            tried = {target: cells(f"{kind}@{target}", first) for target in PENDING_TARGETS}
            good = {target: hours(found) for target, found in tried.items() if share(found) >= 0.99}
            if not good:
                print(f"{name:8} {cold_start:4} {kind:18} no setting of {len(tried)} reached 99 %", flush=True)
                continue
            best = min(good, key=lambda target: good[target])
            row(name, cold_start, f"{kind}@{best:g}", cells(f"{kind}@{best}", rest))
    references(name, cold_start, arguments)


def share(found: list[Cell]) -> float:
    return statistics.fmean(one.attainment for one in found)


def hours(found: list[Cell]) -> float:
    return statistics.fmean(one.gpu_hours for one in found)


def best_fixed(cells: Any, seeds: range) -> int:  # noqa: ANN401 - the runs of one scene
    """Return the smallest fixed fleet that reaches 99 % in the mean, by bisection."""
    low, high = 1, 40
    while low < high:
        middle = (low + high) // 2
        if share(cells(f"fixed@{middle}", seeds)) >= 0.99:
            high = middle
        else:
            low = middle + 1
    return low


def references(name: str, cold_start: int, arguments: argparse.Namespace) -> None:
    """Print what is achievable and what is not, for seed 0."""
    place = scene(name, 0, float(cold_start))
    if arguments.oracle:
        found = oracle(place, compiled=compiled_kernel())
        result = run(place, scheduled(found.schedule))
        print(
            f"{name:8} {cold_start:4} oracle             {result.attainment:.4f} / {result.gpu_hours:8.2f}", flush=True
        )
    if arguments.bound:
        bound = bound_gpu_hours(
            place.trace,
            place.model,
            place.objective,
            cold_start_seconds=shortest_start_seconds(place),
            horizon_seconds=place.course.horizon_seconds,
            gpus_per_replica=place.gpus_per_replica,
            initial_replicas=place.course.initial_replicas,
            minimum_replicas=place.min_replicas,
            timer=time.perf_counter,
        )
        warm = SETTINGS[name].warm_up_seconds / 60
        print(
            f"{name:8} {cold_start:4} bound              "
            f"{bound.gpu_hours:.2f} of the whole trace, {warm:g} min of warm-up included"
        )


if __name__ == "__main__":
    main()
