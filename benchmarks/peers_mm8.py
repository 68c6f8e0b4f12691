"""M/M/8 in SimPy, in Ciw and here: `python benchmarks/peers_mm8.py`.

Eight servers, one queue, load .8: what those two can do as well. Here it is one replica that decodes eight requests at
a time and whose iterations take the same time whatever is in them. All get the same customers, drawn before, and are
measured in processor time, one after the other in one run. It needs `simpy` and `ciw` in this interpreter's
environment, or in that of `--peers-python`. Exits with 1 unless ours is 40 times faster than the faster of them and all
mean waits are the same within 0.5 % (ours is in tenths of milliseconds).
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    Event = Any

SERVERS, LOAD, SERVICE_SECONDS = 8, 0.8, 1.0
TOKENS_PER_SECOND = 10_000
WARM_UP_SHARE = 0.1
LEAST_RATIO, TOLERANCE = 40.0, 0.005


def erlang_wait() -> float:
    """Return the mean wait in seconds, by Erlang's C."""
    offered = SERVERS * LOAD
    last = offered**SERVERS / math.factorial(SERVERS) / (1 - LOAD)
    waits = last / (sum(offered**k / math.factorial(k) for k in range(SERVERS)) + last)
    return waits * SERVICE_SECONDS / (SERVERS * (1 - LOAD))


def ours(gaps: list[float], services: list[float]) -> tuple[float, float]:
    """Return the mean wait that our kernel sees, and the processor time it takes; the fastest of five."""
    import numpy as np

    from autoscaler.simulator.fleet import SimulatedFleet, compiled_kernel
    from autoscaler.simulator.model import replica_model

    arrivals = np.cumsum(gaps)
    tokens = np.ceil(np.array(services) * TOKENS_PER_SECOND).astype(np.int32)
    model = replica_model("h100-llama-3.1-8b")._replace(
        base_seconds=1 / TOKENS_PER_SECOND,
        prefill_seconds=0.0,
        sequence_seconds=0.0,
        context_seconds=0.0,
        front_seconds=0.0,
        back_seconds=0.0,
        token_seconds=0.0,
        max_sequences=SERVERS,
        kv_tokens=10**9,
        longest_tokens=10**9,
    )
    seconds = []
    for _ in range(6):  # the first compiles, or loads what is cached
        began = time.process_time()
        fleet = SimulatedFleet(model, itertools.repeat(0.0), compiled=compiled_kernel())
        fleet.add_requests(arrivals, np.ones(len(arrivals)), tokens)
        fleet.scale_to(1, 0.0)
        fleet.advance(float(arrivals[-1]) + 1e6)
        seconds.append(time.process_time() - began)
    results = fleet.results()
    waits = results.finish - results.arrival - tokens / TOKENS_PER_SECOND
    return steady_mean(waits.tolist()), min(seconds[1:])


def in_simpy(gaps: list[float], services: list[float]) -> tuple[float, float]:
    """Return the mean wait that SimPy sees, and the processor time it takes."""
    import simpy

    began = time.process_time()
    waits = []
    environment = simpy.Environment()
    servers = simpy.Resource(environment, SERVERS)

    def customer(service: float) -> Iterator[Event]:
        came = environment.now
        with servers.request() as request:
            yield request
            waits.append(environment.now - came)
            yield environment.timeout(service)

    def source() -> Iterator[Event]:
        for gap, service in zip(gaps, services, strict=True):
            yield environment.timeout(gap)
            environment.process(customer(service))

    environment.process(source())
    environment.run()
    return steady_mean(waits), time.process_time() - began


def in_ciw(gaps: list[float], services: list[float]) -> tuple[float, float]:
    """Return the mean wait that Ciw sees, and the processor time it takes."""
    import ciw

    began = time.process_time()
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Sequential([*gaps, 1e9])],
        service_distributions=[ciw.dists.Sequential(services)],
        number_of_servers=[SERVERS],
    )
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_time(sum(gaps) + 1e6)
    seconds = time.process_time() - began
    records = sorted(simulation.get_all_records(), key=lambda record: record.arrival_date)
    return steady_mean([record.waiting_time for record in records]), seconds


def steady_mean(waits: list[float]) -> float:
    steady = waits[int(WARM_UP_SHARE * len(waits)) :]
    return sum(steady) / len(steady)


CONTESTANTS = {"SimPy": in_simpy, "Ciw": in_ciw, "ours": ours}


def measure(name: str, customers: int) -> dict[str, float]:
    """Return customers per second of processor time, and the mean wait."""
    generator = random.Random(5)
    gaps = [generator.expovariate(SERVERS * LOAD / SERVICE_SECONDS) for _ in range(customers)]
    services = [generator.expovariate(1 / SERVICE_SECONDS) for _ in range(customers)]
    wait, seconds = CONTESTANTS[name](gaps, services)
    return {"per_second": customers / seconds, "wait_seconds": wait}


def elsewhere(python: Path, name: str, customers: int) -> dict[str, float]:
    """Measure a peer in the interpreter that has it."""
    command = [str(python), __file__, "--only", name, "--customers", str(customers)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=600)
    if done.returncode:
        sys.exit(f"{name} failed:\n{done.stderr[-2000:]}")
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--peers-python", type=Path, default=Path(sys.executable), help="interpreter with simpy and ciw"
    )
    parser.add_argument("--customers", type=int, default=200_000, help="how many each simulates")
    parser.add_argument("--only", choices=CONTESTANTS, help="measure this one here and print JSON")
    options = parser.parse_args()
    if options.only:
        print(json.dumps(measure(options.only, options.customers)))
        return 0
    if subprocess.run([options.peers_python, "-c", "import simpy, ciw"], check=False, capture_output=True).returncode:
        print("needs simpy and ciw here, or --peers-python: the interpreter of an environment that has them")
        return 0
    found = {name: elsewhere(options.peers_python, name, options.customers) for name in ("SimPy", "Ciw")}
    found["ours"] = elsewhere(Path(sys.executable), "ours", options.customers)
    expected = erlang_wait()
    for name, figures in found.items():
        wait = figures["wait_seconds"]
        difference = 100 * (wait / expected - 1)
        print(f"{name:6s} {figures['per_second']:12,.0f} customers/s, mean wait {wait:.5f} s ({difference:+.2f} %)")
    ratio = found["ours"]["per_second"] / max(found[peer]["per_second"] for peer in ("SimPy", "Ciw"))
    print(f"Erlang's mean wait {expected:.5f} s; ours is {ratio:.0f} times as fast as the faster peer")
    waits = [figures["wait_seconds"] for figures in found.values()]
    same = max(waits) / min(waits) - 1 <= TOLERANCE
    print(f"mean waits apart by {100 * (max(waits) / min(waits) - 1):.2f} %")
    return 0 if same and ratio >= LEAST_RATIO else 1


if __name__ == "__main__":
    sys.exit(main())
