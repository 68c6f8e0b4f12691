"""A Scenario document with its traffic, compiled to what the simulator plays."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from autoscaler.documents.scenario import TraceTraffic
from autoscaler.documents.scenario_fleet import Admission, ColdStartPhases, WeightsPhase
from autoscaler.errors import TraceError, UsageError
from autoscaler.simulator.coldstart import COLD_STARTS, ColdStart, Phase, draws, lognormal, weights
from autoscaler.simulator.fleet import SimulatedFleet
from autoscaler.simulator.model import Serving, replica_model
from autoscaler.simulator.presets import PRESETS
from autoscaler.simulator.replay import Course, Failure
from autoscaler.simulator.signals import Scraping
from autoscaler.traces.traffic import Surroundings, recorded, requests

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autoscaler.documents.scenario import ScenarioSpec
    from autoscaler.documents.scenario_fleet import ColdStart as ColdStartSpec
    from autoscaler.simulator.fleet import Advance
    from autoscaler.simulator.layout import Model
    from autoscaler.simulator.presets import Preset
    from autoscaler.traces.cache import Cache
    from autoscaler.traces.trace import Trace

_AFTER_LAST_ARRIVAL_SECONDS = 300.0
_COLD_STARTS, _ROUTER = 1, 2
"""Which stream of draws a seed is for; the traffic's come from the seed itself."""


class Objective(NamedTuple):
    """What a request must meet."""

    ttft_seconds: float
    tpot_seconds: float


class Scene(NamedTuple):
    """Everything about a simulation but the policy."""

    name: str
    seed: int
    preset: Preset
    objective: Objective
    trace: Trace
    model: Model
    cold_start: ColdStart
    course: Course
    min_replicas: int
    max_replicas: int
    gpus_per_replica: int
    gpu_hour_usd: float

    def fleet(self, compiled: Advance | None) -> SimulatedFleet:
        """Return a fleet without replicas that holds the traffic; the same for the same scene.

        The replicas of the beginning are ready at once. The n-th replica has the same cold start under every policy.
        """
        generator = np.random.Generator(np.random.PCG64([self.seed, _COLD_STARTS]))
        at_once = itertools.repeat(0.0, self.course.initial_replicas)
        startups = itertools.chain(at_once, draws(self.cold_start, generator))
        router_seed = int(np.random.SeedSequence([self.seed, _ROUTER]).generate_state(1)[0])
        fleet = SimulatedFleet(self.model, startups, seed=router_seed, compiled=compiled)
        trace = self.trace
        fleet.add_requests(trace.arrival_seconds, trace.prompt_tokens, trace.output_tokens, trace.prefix_tokens)
        return fleet


def make_scene(
    name: str,
    spec: ScenarioSpec,
    *,
    folder: Path,
    trace_path: Path | None = None,
    seed: int | None = None,
    cache: Cache | None = None,
) -> Scene:
    """Return the scene of a scenario.

    `folder` is where the scenario's own file stands. `trace_path` takes the place of its traffic, `seed` of its seed.
    Large traces are kept in `cache`.

    Raises:
        UsageError: a preset does not exist.
        TraceError: the trace cannot be read, or nothing of it is left.
    """
    seed = spec.seed if seed is None else seed
    trace = _traffic(spec, trace_path, Surroundings(folder, seed, cache))
    if not len(trace.arrival_seconds):
        raise TraceError(f"{trace.name}: no request arrives: widen the window, or raise rate or duration")
    if trace.prefix_tokens is None and spec.prefix_hit_ratio > 0:
        trace = trace._replace(prefix_tokens=(trace.prompt_tokens * spec.prefix_hit_ratio).astype(np.int32))
    cold_start = _cold_start(spec.cold_start)
    model = replica_model(spec.preset, _serving(spec))
    preset = PRESETS[spec.preset]
    own_gpus = "gpus_per_replica" in spec.prices.model_fields_set
    gpus = spec.prices.gpus_per_replica if own_gpus else preset.gpus
    course = Course(
        spec.horizon_seconds or trace.duration_seconds + _AFTER_LAST_ARRIVAL_SECONDS,
        spec.initial_replicas,
        cold_start.median_seconds,
        spec.monitoring.decision_interval_seconds,
        Scraping(
            spec.monitoring.scrape_interval_seconds,
            spec.monitoring.scrape_phase_seconds,
            spec.monitoring.rate_window_seconds,
            spec.monitoring.stale_after_seconds,
        ),
        replicas_quota=None if spec.gpu_quota is None else spec.gpu_quota // gpus,
        failures=tuple(Failure(one.at_seconds, one.replicas, one.gpus_back_after_seconds) for one in spec.failures),
    )
    objective = Objective(spec.objective.ttft_seconds, spec.objective.tpot_seconds)
    price = spec.prices.gpu_hour_usd
    bounds = (spec.min_replicas, spec.max_replicas)
    return Scene(name, seed, preset, objective, trace, model, cold_start, course, *bounds, gpus, price)


def _traffic(spec: ScenarioSpec, trace_path: Path | None, around: Surroundings) -> Trace:
    if trace_path is not None:
        # a path of the command line is never one beside the scenario
        return recorded(TraceTraffic(path=str(trace_path)), around._replace(folder=Path()))
    return requests(spec.traffic, spec.horizon_seconds, around)


def _serving(spec: ScenarioSpec) -> Serving:
    overload, engine = spec.overload, spec.engine
    slow = spec.cold_start.slow_start
    return Serving(
        router=spec.router.value,
        router_staleness_seconds=spec.router_staleness_seconds,
        max_sequences=engine.max_num_seqs,
        budget_tokens=engine.max_num_batched_tokens,
        conservative=engine.admission is Admission.CONSERVATIVE,
        queue_limit=overload.queue_limit,
        gateway_limit=overload.gateway_limit,
        client_timeout_seconds=overload.client_timeout_seconds,
        retries=overload.retries,
        retry_after_seconds=overload.retry_after_seconds,
        slow_start_factor=1.0 if slow is None else slow.factor,
        slow_start_seconds=0.0 if slow is None else slow.seconds,
        hinge_tokens=engine.hinge_tokens,
        square_ms=engine.square_ms,
    )


def _cold_start(spec: ColdStartSpec) -> ColdStart:
    if spec.phases is not None:
        return ColdStart(tuple(_phases(spec.phases)))
    if spec.preset is None:
        return lognormal(80.0 if spec.seconds is None else spec.seconds, spec.jitter)
    if spec.preset not in COLD_STARTS:
        raise UsageError(f"coldStart.preset {spec.preset!r}: must be one of {', '.join(COLD_STARTS)}")
    phases = COLD_STARTS[spec.preset].phases
    return ColdStart(tuple(phase._replace(sigma=spec.jitter) for phase in phases))


def _phases(spec: ColdStartPhases) -> Iterator[Phase]:
    for name in ColdStartPhases.model_fields:
        given = getattr(spec, name)
        if isinstance(given, WeightsPhase):
            yield weights(given.gigabytes, given.gigabytes_per_second, given.open_seconds, given.jitter)
        elif given is not None:
            yield Phase(name, given.seconds, given.jitter)
