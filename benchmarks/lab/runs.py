"""One run: a decider on a scene, scored and billed from the end of the warm-up on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from autoscaler.documents.engine_spec import compile_spec
from autoscaler.documents.policy import ScalingPolicySpec
from autoscaler.engine.engine import Engine
from autoscaler.engine.observation import COMPLETED_REQUESTS, PENDING_REQUESTS, SignalRequest
from autoscaler.engine.spec import Startup
from autoscaler.experiments.peer_contestants import contestant
from autoscaler.experiments.schedule import Schedule, ScheduledFleet
from autoscaler.experiments.score import attained
from autoscaler.peers.fixed import Fixed
from autoscaler.peers.registry import KINDS, READY_MADE
from autoscaler.simulator.fleet import compiled_kernel
from autoscaler.simulator.replay import Contestant, Story, replay
from benchmarks.lab.scenes import SETTINGS

if TYPE_CHECKING:
    from typing import Any

    from autoscaler.experiments.scene import Scene


class Result(NamedTuple):
    """What a run came to after the warm-up."""

    attainment: float
    gpu_hours: float
    actions: int
    decide_microseconds: float
    story: Story
    ttft_p99_seconds: float
    """Of the requests that got a first token."""
    cold_starts: int
    """Replicas created."""
    max_replicas: int
    """Wanted at once."""
    requests: int


def run(scene: Scene, contestant: Contestant) -> Result:
    """Return the result of one run."""
    fleet = scene.fleet(compiled_kernel())
    story = replay(fleet, contestant, scene.course, timer=time.perf_counter)
    warm = SETTINGS[scene.name].warm_up_seconds
    end = scene.course.horizon_seconds
    results = fleet.results()
    counted = results.arrival >= warm
    met = attained(results, *scene.objective)[counted]
    first = (results.first_token - results.arrival)[counted]
    first = first[np.isfinite(first)]
    billed, created = 0.0, 0
    for life in fleet.lifetimes():
        created += life.created_at >= warm
        gone = end if np.isnan(life.gone_at) else life.gone_at
        billed += max(0.0, gone - max(warm, life.created_at))
    wanted = [tick.wanted for tick in story.ticks if tick.at >= warm] or [scene.course.initial_replicas]
    actions = int(np.count_nonzero(np.diff(wanted)))
    share = float(met.sum()) / max(1, len(met))
    micro = 1e6 * story.decide_seconds / max(1, len(story.ticks))
    p99 = float(np.quantile(first, 0.99)) if len(first) else np.nan
    hours = billed * scene.gpus_per_replica / 3600
    return Result(share, hours, actions, micro, story, p99, created, max(wanted), len(met))


def native(name: str, policy: dict[str, Any], scene: Scene) -> Contestant:
    """Return the engine with a policy given as a document's `spec`."""
    spec = compile_spec(
        ScalingPolicySpec.model_validate(policy),
        min_replicas=scene.min_replicas,
        max_replicas=scene.max_replicas,
        startup=Startup(expected_seconds=scene.cold_start.median_seconds),
        preset=scene.preset.name,
    )
    wanted = [request for rule in spec.rules for request in rule.needs]
    wanted += [SignalRequest(PENDING_REQUESTS), SignalRequest(COMPLETED_REQUESTS)]
    return Contestant(name, Engine(spec), tuple(dict.fromkeys(wanted)), spec)


def ready_made(name: str, scene: Scene, **parameters: Any) -> Contestant:  # noqa: ANN401 - a document's values
    """Return a peer: `name` is one of the ready-made ones, or a kind with parameters."""
    model = KINDS[name].model_validate(parameters) if parameters else READY_MADE[name]
    return contestant(name, model, scene)


def fixed(replicas: int, scene: Scene) -> Contestant:
    """Return a fleet that never changes."""
    return contestant(f"fixed {replicas}", Fixed(replicas=replicas), scene)


def scheduled(plan: Schedule) -> Contestant:
    """Return a fleet that follows a plan."""
    return Contestant("oracle", ScheduledFleet(plan), ())


def ours(scene: Scene, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - a document's values
    """Return our policy for a scene: its replica and its objective, and what an experiment changes."""
    rule = {"type": "capacity", "preset": scene.preset.name, "tpotSeconds": scene.objective.tpot_seconds} | changes
    return {
        "rules": [rule],
        "behavior": {
            "scaleUp": {
                "stabilizationWindowSeconds": 0,
                "policies": [
                    {"type": "Percent", "value": 100, "periodSeconds": 15},
                    {"type": "Pods", "value": 4, "periodSeconds": 15},
                ],
            },
            "scaleDown": {
                "stabilizationWindowSeconds": 0,
                "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
            },
        },
    }


def advised(scene: Scene, limit: float, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - a document's values
    """Return our policy with an advisor that may spend so many replica-hours a day."""
    policy = ours(scene, **changes)
    advisor = {"type": "advisor", "ttftSeconds": scene.objective.ttft_seconds}
    policy["rules"].append({**advisor, "spendingLimitReplicaHoursPerDay": limit})
    return policy
