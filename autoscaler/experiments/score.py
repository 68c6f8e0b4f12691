"""What a run amounts to: objective attained, latencies, and the bill."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from autoscaler.simulator import kernel

if TYPE_CHECKING:
    from autoscaler.experiments.scene import Scene
    from autoscaler.simulator.fleet import Results, SimulatedFleet
    from autoscaler.simulator.layout import Floats
    from autoscaler.simulator.replay import Story

OUTCOMES = {
    kernel.PENDING: "unfinished",
    kernel.COMPLETED: "completed",
    kernel.REJECTED: "rejected",
    kernel.TIMED_OUT: "timed_out",
    kernel.FAILED: "failed",
}
"""What can become of a request."""
DECODE_FLOOR_SECONDS = 1.0
"""An answer whose decoding takes no longer than this meets the objective whatever its length: without it, one foreign
prompt in the same batch spoils every answer of a few tokens, and no fleet is good enough."""


class Spread(NamedTuple):
    """How a duration is spread over requests, in seconds; NaN without any."""

    mean: float
    p50: float
    p90: float
    p99: float
    max: float


class Score(NamedTuple):
    """One policy's result; every request that arrived counts."""

    policy: str
    requests: int
    completed: int
    rejected: int
    timed_out: int
    unfinished: int
    """Neither completed nor refused nor left by its client at the horizon."""
    failed: int
    """Lost with the replica that had them."""
    slo_attainment: float
    """Share of all requests that completed with TTFT and TPOT within the objective."""
    ttft_seconds: Spread
    """From arrival at the gateway to the first token; requests that got one."""
    tpot_seconds: Spread
    """From the first to the last token, by output tokens after the first; completed requests of two tokens or more."""
    e2e_seconds: Spread
    """From arrival to the last token; completed requests."""
    gpu_hours: float
    """From pod start to pod end, or to the horizon."""
    cost_usd: float
    cost_per_1k_requests_usd: float
    """Per thousand completed; NaN without any."""
    bound_gpu_hours: float
    oracle_gpu_hours: float
    scale_ups: int
    scale_downs: int
    cold_starts: int
    """Replicas created after the beginning."""
    max_replicas: int
    """Pods that existed at once: starting, ready or draining."""
    mean_replicas: float
    mean_utilization: float
    """Share of the ready replicas' time that went into work which grows with load: iterations less their fixed part.
    Near 1 the fleet is saturated, whatever a busy ratio says."""
    wall_seconds: float
    decide_seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, with null for what is not known."""
        return {name: _plain(value) for name, value in self._asdict().items()}


def _plain(value: object) -> object:
    if isinstance(value, Spread):
        return {name: _plain(part) for name, part in value._asdict().items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def spread(seconds: Floats) -> Spread:
    """Return the spread; quantiles interpolate linearly."""
    if not len(seconds):
        return Spread(math.nan, math.nan, math.nan, math.nan, math.nan)
    p50, p90, p99 = np.quantile(seconds, (0.5, 0.9, 0.99)).tolist()
    return Spread(float(seconds.mean()), p50, p90, p99, float(seconds.max()))


def attained(results: Results, ttft_seconds: float, tpot_seconds: float) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return which requests met the objective: TTFT <= its limit, decode time <= max(1 s, limit * (output - 1))."""
    decode = results.finish - results.first_token
    allowed = np.maximum(DECODE_FLOOR_SECONDS, tpot_seconds * (results.output_tokens - 1))
    in_time = (results.first_token - results.arrival <= ttft_seconds) & (decode <= allowed)
    met: np.ndarray[Any, np.dtype[np.bool_]] = (results.outcome == kernel.COMPLETED) & in_time
    return met


def score(
    name: str,
    scene: Scene,
    fleet: SimulatedFleet,
    story: Story,
    wall_seconds: float,
    *,
    until_seconds: float | None = None,
) -> Score:
    """Return what a fleet amounts to that ran to the horizon, or until a moment before it.

    Then what arrived by that moment counts, and is billed to there.
    """
    end = scene.course.horizon_seconds if until_seconds is None else until_seconds
    results = fleet.results()
    if until_seconds is not None:
        arrived = int(np.searchsorted(results.arrival, until_seconds, side="right"))
        columns: tuple[Any, ...] = results
        results = type(results)(*(column[:arrived] for column in columns))
    done = results.outcome == kernel.COMPLETED
    counts = np.bincount(results.outcome, minlength=len(OUTCOMES)).tolist()
    several = done & (results.output_tokens > 1)
    tpot = (results.finish - results.first_token)[several] / (results.output_tokens[several] - 1)
    billed, ready, peak = _capacity(fleet, end)
    gpu_hours = billed * scene.gpus_per_replica / 3600
    cost = gpu_hours * scene.gpu_hour_usd
    work = fleet.busy_seconds() - scene.model.base_seconds * fleet.iterations()
    total = len(results.outcome)
    return Score(
        policy=name,
        requests=total,
        completed=counts[kernel.COMPLETED],
        rejected=counts[kernel.REJECTED],
        timed_out=counts[kernel.TIMED_OUT],
        unfinished=counts[kernel.PENDING],
        failed=counts[kernel.FAILED],
        slo_attainment=float(attained(results, *scene.objective).sum()) / total if total else math.nan,
        ttft_seconds=spread((results.first_token - results.arrival)[~np.isnan(results.first_token)]),
        tpot_seconds=spread(tpot),
        e2e_seconds=spread((results.finish - results.arrival)[done]),
        gpu_hours=gpu_hours,
        cost_usd=cost,
        cost_per_1k_requests_usd=1000 * cost / counts[kernel.COMPLETED] if counts[kernel.COMPLETED] else math.nan,
        bound_gpu_hours=math.nan,
        oracle_gpu_hours=math.nan,
        scale_ups=story.scale_ups,
        scale_downs=story.scale_downs,
        cold_starts=len(fleet.lifetimes()) - scene.course.initial_replicas,
        max_replicas=peak,
        mean_replicas=billed / end if end else math.nan,
        mean_utilization=work / ready if ready else math.nan,
        wall_seconds=wall_seconds,
        decide_seconds=story.decide_seconds,
    )


def _capacity(fleet: SimulatedFleet, horizon_seconds: float) -> tuple[float, float, int]:
    """Return billed and ready replica-seconds, and the most replicas that existed at once."""
    lives = np.array(fleet.lifetimes()).reshape(-1, 4)
    created, ready_at = lives[:, 1], lives[:, 2]
    gone = np.where(np.isnan(lives[:, 3]), horizon_seconds, lives[:, 3])
    ready = np.where(np.isnan(ready_at), 0.0, gone - ready_at)
    changes = np.concatenate(
        [np.stack([created, np.ones_like(created)]), np.stack([gone, -np.ones_like(gone)])], axis=1
    )
    ordered = changes[1][np.lexsort((changes[1], changes[0]))]
    peak = int(np.cumsum(ordered).max(initial=0))
    return float((gone - created).sum()), float(np.maximum(0.0, ready).sum()), peak
