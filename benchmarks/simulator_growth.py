"""How the simulator's speed grows: `python benchmarks/simulator_growth.py [--most N] [--svg FILE]`.

1 to 256 replicas, 10^4 to 10^7 requests (`--most 100000000` needs 5 GB), least outstanding requests, the same load per
replica; the kernel alone, in processor time of its thread, stopping every 15 simulated seconds. The best of some runs
counts where they are short. Prints a table and, with `--svg`, draws it.
"""

from __future__ import annotations

import argparse
import itertools
import math
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from autoscaler.simulator.fleet import SimulatedFleet, compiled_kernel
from autoscaler.simulator.model import replica_model

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from autoscaler.simulator.fleet import Advance

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.simulator_traffic import requests

RATE_PER_REPLICA = 20.0
REPLICAS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
COUNTS = (10**4, 10**5, 10**6, 10**7, 10**8)
SHORT = 10**6
"""Up to so many requests, the best of three runs counts."""
COLOURS = ("#9ecae1", "#6baed6", "#3182bd", "#08519c", "#08306b")
WIDTH, HEIGHT, MARGIN = 720, 420, 70


def speed(count: int, replicas: int, compiled: Advance) -> float:
    """Return requests per second of processor time."""
    arrivals, prompts, outputs = requests(count, RATE_PER_REPLICA * replicas)
    best = math.inf
    for _ in range(3 if count <= SHORT else 1):
        fleet = SimulatedFleet(replica_model("h100-llama-3.1-8b"), itertools.repeat(0.0), compiled=compiled)
        fleet.add_requests(arrivals, prompts, outputs)
        fleet.scale_to(replicas, 0.0)
        stops = np.arange(15.0, arrivals[-1] + 600.0, 15.0).tolist()
        began = time.thread_time()
        for at in stops:
            fleet.advance(at)
        best = min(best, time.thread_time() - began)
        assert (fleet.results().outcome == 1).all()
    return count / best


def svg(found: Mapping[int, Mapping[int, float]]) -> str:
    """Return the plot: requests per second over replicas, both logarithmic, one line for each number of requests."""
    low, high = 5e5, 1e7

    def x(replicas: int) -> float:
        return MARGIN + (WIDTH - 2 * MARGIN) * math.log2(replicas) / math.log2(REPLICAS[-1])

    def y(per_second: float) -> float:
        return HEIGHT - MARGIN + (2 * MARGIN - HEIGHT) * math.log(per_second / low) / math.log(high / low)

    def text(left: float, top: float, words: str, more: str = "") -> str:
        return f'<text x="{left:.1f}" y="{top:.1f}" {more}>{words}</text>'

    def parts() -> Iterator[str]:
        yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif"'
        yield ' font-size="13"><rect width="100%" height="100%" fill="white"/>'
        for value, words in ((5e5, "0.5 M/s"), (1e6, "1 M/s"), (2e6, "2 M/s"), (3e6, "3 M/s"), (5e6, "5 M/s")):
            yield f'<path d="M{MARGIN} {y(value):.1f}H{WIDTH - MARGIN}" stroke="#ddd"/>'
            yield text(MARGIN - 8, y(value) + 4, words, 'text-anchor="end"')
        for replicas in REPLICAS:
            yield text(x(replicas), HEIGHT - MARGIN + 20, str(replicas), 'text-anchor="middle"')
        yield text(WIDTH / 2, HEIGHT - 20, "replicas", 'text-anchor="middle"')
        title = "simulated requests per second, one core, least outstanding"
        yield text(WIDTH / 2, 28, title, 'text-anchor="middle" font-size="15"')
        for place, (count, line) in enumerate(found.items()):
            points = " ".join(f"{x(replicas):.1f},{y(value):.1f}" for replicas, value in line.items())
            colour = COLOURS[place]
            yield f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
            power = f'10<tspan dy="-5" font-size="9">{round(math.log10(count))}</tspan>'
            left = WIDTH - MARGIN - 90
            top = 58 + 18 * place
            yield f'<path d="M{left - 26} {top - 4}h20" stroke="{colour}" stroke-width="2"/>'
            yield text(left, top, f'{power}<tspan dy="5"> requests</tspan>')
        yield "</svg>"

    return "\n".join(parts()) + "\n"


def main() -> None:
    """Measure, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--most", type=int, default=10**7, help="requests")
    parser.add_argument("--svg", type=Path)
    options = parser.parse_args()
    compiled = compiled_kernel()
    if compiled is None:
        sys.exit("needs numba: pip install 'autoscaler[sim]'")
    speed(10, 1, compiled)
    counts = [count for count in COUNTS if count <= options.most]
    print("| replicas | " + " | ".join(f"{count:,}" for count in counts) + " |")
    print("|---|" + "---|" * len(counts))
    found: dict[int, dict[int, float]] = {count: {} for count in counts}
    for replicas in REPLICAS:
        for count in counts:
            found[count][replicas] = speed(count, replicas, compiled)
        cells = " | ".join(f"{found[count][replicas] / 1e6:.2f} M/s" for count in counts)
        print(f"| {replicas} | {cells} |", flush=True)
    print(f"load average at the end: {os.getloadavg()[0]:.1f}")
    if options.svg:
        options.svg.write_text(svg(found), encoding="utf-8")


if __name__ == "__main__":
    main()
