"""How far `capacity` can be relied on: wrong coefficients, redraws, constant load, and what a decision costs.

Usage: LAB_TRACES=FOLDER python -m benchmarks.lab.robustness coefficients|redraws|constant|decision
       [SCENE:COLD_START ...] [--seeds 10] [--first 0] [--jobs 1]

Each prints a Markdown table. `coefficients`: iteration times of one's own, off by a tenth; attainment, mean (lowest),
and GPU-hours. `redraws`: arrivals, lengths and cold starts drawn anew. `constant`: Poisson arrivals of a constant rate
for 70 minutes, at eight loads on and between whole replicas. `decision`: processor time of the rule alone, on what a
run showed it.
"""

from __future__ import annotations

import argparse
import itertools
import math
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np

from autoscaler.rules.capacity import Capacity
from autoscaler.rules.replica_presets import PRESETS
from autoscaler.rules.usable import Replica
from autoscaler.rules.work import Coefficients
from autoscaler.simulator.replay import Course
from autoscaler.traces.load import load_trace
from benchmarks.lab.ablation import Figures, Variant, play
from benchmarks.lab.runs import fixed, native, ours, run
from benchmarks.lab.scenes import CONV, H100, SETTINGS, folder, mixed, scene, staged

if TYPE_CHECKING:
    from collections.abc import Iterable

    from autoscaler.experiments.scene import Scene
    from autoscaler.traces.trace import Trace

OFF = {
    "as they are": (1.0, 1.0),
    "base + 10 %": (1.1, 1.0),
    "base - 10 %": (0.9, 1.0),
    "the rest + 10 %": (1.0, 1.1),
    "the rest - 10 %": (1.0, 0.9),
    "all + 10 %": (1.1, 1.1),
    "all - 10 %": (0.9, 0.9),
}
"""What the base and the three other coefficients are multiplied by."""
OFF_CASES = ("conv:80", "conv70:80", "wcup:80", "code:80")
REDRAWN = ("conv:80", "conv70:80", "wcup:80", "poisson:80", "conv:300", "wcup:300")
LOADS = (1.0, 1.5, 2.25, 3.0, 3.75, 4.5, 6.0, 7.5)
"""Replicas that a constant load fills to the usable share."""
CONSTANT_SECONDS, SETTLING_SECONDS = 4200.0, 600.0
ROUNDS = 9


def placed(case: str, seed: int) -> Scene:
    """Return the scene of a case such as `conv:80`."""
    name, _, cold_start = case.partition(":")
    return scene(name, seed, float(cold_start))


def redraw(case: str, seed: int) -> Figures:
    return play(placed(case, seed), Variant())


def iteration(preset: str, base: float, rest: float) -> dict[str, float]:
    """Return the preset's iteration times, off by these factors, as a document states them."""
    found = PRESETS[preset]
    times = {"promptTokenMs": found.prefill_ms, "sequenceMs": found.sequence_ms, "contextTokenMs": found.context_ms}
    return {"baseMs": found.base_ms * base} | {name: value * rest for name, value in times.items()}


def off(job: tuple[str, str, int]) -> Figures:
    case, which, seed = job
    place = placed(case, seed)
    own = iteration(place.preset.name, *OFF[which])
    return play(place, Variant(changes={"preset": None, "iteration": own}))


def coefficients(arguments: argparse.Namespace, pool: ProcessPoolExecutor) -> None:
    cases = arguments.cases or OFF_CASES
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    head(("coefficients", *(f"`{case}`" for case in cases)))
    for which in OFF:
        cells = []
        for case in cases:
            shares, hours, _ = zip(*pool.map(off, [(case, which, seed) for seed in seeds]), strict=True)
            cells.append(f"{statistics.fmean(shares):.4f} ({min(shares):.4f}) / {statistics.fmean(hours):.2f}")
        line((which, *cells))


def redraws(arguments: argparse.Namespace, pool: ProcessPoolExecutor) -> None:
    head(("scene", "redraws", "mean", "lowest", "GPU-hours", "from", "to", "spread", "deviation"))
    for case in arguments.cases or REDRAWN:
        seeds = range(arguments.first, arguments.first + arguments.seeds)
        shares, hours, _ = zip(*pool.map(partial(redraw, case), seeds), strict=True)
        mean = statistics.fmean(hours)
        spread, deviation = (max(hours) - min(hours)) / mean, statistics.pstdev(hours) / mean
        cells = [f"`{case}`", len(shares), f"{statistics.fmean(shares):.4f}", f"{min(shares):.4f}", f"{mean:.2f}"]
        line([*cells, f"{min(hours):.2f}", f"{max(hours):.2f}", f"{100 * spread:.1f} %", f"{100 * deviation:.1f} %"])


def full_replica(lengths: Trace, name: str = H100) -> Replica:
    """Return the replica as the rule sees it, once it knows these lengths."""
    preset = PRESETS[name]
    times = (preset.base_ms, preset.prefill_ms, preset.sequence_ms, preset.context_ms)
    stated = Coefficients(*(milliseconds / 1e3 for milliseconds in times))
    prompt, output = float(lengths.prompt_tokens.mean()), float(lengths.output_tokens.mean())
    work_seconds = stated.work_seconds(prompt, output)
    reading_share = stated.prompt_token_seconds * prompt / work_seconds
    return Replica(stated.base_seconds, SETTINGS["poisson"].tpot_seconds, output, work_seconds, reading_share)


def rate_of(replica: Replica, load: float) -> float:
    """Return the requests a second that fill so many replicas to the share that is usable of that many."""
    return load * replica.usable(load) / replica.work_seconds


def steady(lengths: Trace, load: float, seed: int, seconds: float = CONSTANT_SECONDS) -> Scene:
    """Return a constant load from the first second to the last; the fleet begins with what is needed and one more."""
    random = np.random.default_rng([seed, round(100 * load)])
    rate = rate_of(full_replica(lengths), load)
    arrivals = np.cumsum(random.exponential(1.0 / rate, int(rate * seconds)))
    place = staged("poisson", mixed(lengths, arrivals, random), seed, 80.0)
    return place._replace(course=_begun(place, math.ceil(load) + 1))


def _begun(place: Scene, replicas: int) -> Course:
    """Return the scene's course with so many replicas to begin with."""
    return Course(place.course.horizon_seconds, replicas, place.cold_start.median_seconds)


def steadily(load: float, seed: int) -> Figures:
    return play(steady(load_trace(folder() / CONV), load, seed), Variant())


def enough(load: float, seeds: Iterable[int]) -> int:
    """Return the smallest fixed fleet that meets the objective for 99 % of the requests of a constant load."""
    lengths = load_trace(folder() / CONV)
    places = [steady(lengths, load, seed) for seed in seeds]
    for replicas in itertools.count(max(1, math.floor(load) - 1)):
        begun = [place._replace(course=_begun(place, replicas)) for place in places]
        if statistics.fmean(run(place, fixed(replicas, place)).attainment for place in begun) >= 0.99:
            return replicas
    raise AssertionError


def constant(arguments: argparse.Namespace, pool: ProcessPoolExecutor) -> None:
    replica = full_replica(load_trace(folder() / CONV))
    hours = (CONSTANT_SECONDS - SETTLING_SECONDS) / 3600.0
    least = list(pool.map(partial(enough, seeds=range(arguments.first, arguments.first + 2)), LOADS))
    head(("filled", "requests/s", "replicas", "fixed", "times it", "mean", "lowest", "without action", "most actions"))
    every: list[Figures] = []
    for load, fewest in zip(LOADS, least, strict=True):
        seeds = range(arguments.first, arguments.first + arguments.seeds)
        found = list(pool.map(partial(steadily, load), seeds))
        every += found
        replicas = statistics.fmean(one.gpu_hours for one in found) / hours
        cells: list[object] = [load, f"{rate_of(replica, load):.1f}", f"{replicas:.2f}", fewest]
        line([*cells, f"{replicas / fewest:.2f}", *quiet(found)])
    line(["all", "", "", "", "", *quiet(every)])


def quiet(found: list[Figures]) -> list[object]:
    """Return mean and lowest attainment, how many runs had no scale action, and the most actions of one."""
    shares = [one.attainment for one in found]
    still = f"{sum(one.actions == 0 for one in found)} of {len(found)}"
    return [f"{statistics.fmean(shares):.4f}", f"{min(shares):.4f}", still, max(one.actions for one in found)]


def microseconds(place: Scene, rounds: int = ROUNDS) -> tuple[float, float, int]:
    """Return processor time per decision, the best and the median of the rounds, and how many decisions they had."""
    played = native("ours", ours(place), place)
    spec = played.spec
    assert spec is not None, "`native` always says its spec"
    (rule,) = spec.rules
    seen: list[tuple[Any, ...]] = []
    propose = Capacity.propose

    def recorded(self: Capacity, *what: Any) -> Any:  # noqa: ANN401 - handed on
        seen.append(what)
        return propose(self, *what)

    with mock.patch.object(Capacity, "propose", recorded):
        run(place, played)
    taken = []
    for _ in range(rounds):
        begun = time.process_time()
        for what in seen:
            rule.propose(*what)
        taken.append((time.process_time() - begun) / len(seen) * 1e6)
    return min(taken), statistics.median(taken), len(seen)


def decision(arguments: argparse.Namespace, pool: ProcessPoolExecutor) -> None:
    head(("scene", "decisions", "best, us", "median, us"))
    for case in arguments.cases or OFF_CASES:
        best, median, decisions = pool.submit(microseconds, placed(case, arguments.first)).result()
        line((f"`{case}`", decisions, f"{best:.0f}", f"{median:.0f}"))


def head(names: Iterable[str]) -> None:
    names = tuple(names)
    line(names)
    line(["---", *["--:"] * (len(names) - 1)])


def line(cells: Iterable[object]) -> None:
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


SHOWN = {"coefficients": coefficients, "redraws": redraws, "constant": constant, "decision": decision}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("what", choices=SHOWN)
    parser.add_argument("cases", nargs="*", help="such as conv:80; `constant` takes none")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args()
    with ProcessPoolExecutor(arguments.jobs) as pool:
        SHOWN[arguments.what](arguments, pool)


if __name__ == "__main__":
    main()
