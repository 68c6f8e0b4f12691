"""Time one decision of the native engine: four rules, windows full, trail rendered; the mean over an hour of ticks.

Prints microseconds a decision beside a yardstick of the same machine and moment, for machines are noisy: quote both.
"""

from __future__ import annotations

import math
import statistics
import time

from autoscaler.engine import Engine, EngineSpec, Mode, Observation, Quality, Replica, Signal, State
from autoscaler.engine.spec import ScaleToZero
from autoscaler.rules.gpu_utilization import GpuUtilization
from autoscaler.rules.latency import Latency
from autoscaler.rules.pending_requests import PendingRequests
from autoscaler.rules.queue_depth import QueueDepth

START = 1_700_000_000.0
INTERVAL_SECONDS = 15.0
TICKS = 240
ROUNDS = 20


def spec() -> EngineSpec:
    """Return the policy of the README: two sizing rules, two guards, scale to zero."""
    rules = (
        PendingRequests(targetPerReplica=24),
        QueueDepth(targetPerReplica=4),
        Latency(signal="timeToFirstToken", objectiveSeconds=2),
        GpuUtilization(targetPercent=80),
    )
    return EngineSpec(0, 20, rules, "benchmark", mode=Mode.ACTIVE, scale_to_zero=ScaleToZero(900.0))


def observation(tick: int, replicas: int) -> Observation:
    """Return what an hour of a daily cycle would show: load up and down, a P99 that follows, busy GPUs."""
    now = START + tick * INTERVAL_SECONDS
    load = 12.0 * replicas * (1.0 + 0.9 * math.sin(tick / 40))
    names = [f"llama-8b-7c9f5d7b6-{number:05d}" for number in range(replicas)]
    pods = tuple(Replica(name, "Running", ready=True, created_at=START - 5000, revision="7c9f5d7b6") for name in names)
    values = {
        "pendingRequests": (load, "requests", None),
        "queueDepth": (max(0.0, load - 24.0 * replicas), "requests", None),
        "completedRequests": (100.0 * tick, "requests", None),
        "gatewayRequests": (0.0, "requests", None),
        "timeToFirstToken:0.99": (0.3 + 1.2 * (1 + math.sin(tick / 40)), "seconds", 300.0),
        "gpuUtilization": (min(100.0, 4.0 * load / replicas), "percent", None),
    }
    signals = {
        name: Signal(name, value, unit, now - 5.0, Quality.OK, replicas, 0, samples)
        for name, (value, unit, samples) in values.items()
    }
    return Observation("inference/llama-8b", replicas, pods, signals)


def microseconds(engine: Engine, hour: list[Observation], state: State) -> float:
    """Return the mean time of one decision with its explanation rendered."""
    began = time.perf_counter()
    for tick, seen in enumerate(hour):
        decision, state = engine.decide(seen, state, START + tick * INTERVAL_SECONDS)
        decision.explain()
    return (time.perf_counter() - began) / len(hour) * 1e6


def main() -> None:
    """Print the figure for fleets of 4, 12 and 40 replicas."""
    engine = Engine(spec())
    for replicas in (4, 12, 40):
        hour = [observation(tick, replicas) for tick in range(TICKS)]
        figures = [microseconds(engine, hour, State()) for _ in range(ROUNDS)]
        began = time.perf_counter()
        sum(range(1_000_000))
        yardstick = (time.perf_counter() - began) * 1e3
        print(
            f"{replicas:3d} replicas: median {statistics.median(figures):5.1f}, least {min(figures):5.1f} µs a decision"
            f"  (yardstick: sum(range(1e6)) {yardstick:.1f} ms)"
        )


if __name__ == "__main__":
    main()
