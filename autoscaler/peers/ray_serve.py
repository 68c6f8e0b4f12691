"""Ray Serve's autoscaler as a decider.

What differs from upstream: requests are averaged over the look-back window as they stand when the decider is called;
upstream's handles push them every 10 s to a loop of 0.1 s, so that a pass every 2 s sees all there is to see.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from autoscaler.engine.decision import Reason, Stage
from autoscaler.peers.base import NotNegative, PeerModel, Positive, Replicas, Step, remember, settle
from autoscaler.peers.look import IN_FLIGHT, in_flight, ready_count
from autoscaler.peers.ray_serve_policy import (
    Delays,
    Factors,
    Waiting,
    apply_delay,
    apply_factors,
    cold_start,
    queue_length,
    round_to_gangs,
)
from autoscaler.peers.samples import mean, record, within

if TYPE_CHECKING:
    from autoscaler.engine.observation import Observation, SignalRequest
    from autoscaler.engine.state import State

NAME, SAMPLES = "rayServe", "rayServe/samples"


class RayServe(PeerModel):
    """`autoscaling_config` of a deployment, with the words of Ray Serve."""

    follows: ClassVar[str] = "ray-project/ray at 01624ad4bacd (delays by the wall clock)"

    min_replicas: Replicas = 1
    max_replicas: Annotated[int, Field(strict=True, ge=1, le=2**31 - 1)] = 100
    target_ongoing_requests: Positive = 2.0
    upscale_delay_seconds: NotNegative = 30.0
    downscale_delay_seconds: NotNegative = 600.0
    downscale_to_zero_delay_seconds: NotNegative | None = None
    upscaling_factor: Positive = 1.0
    downscaling_factor: Positive = 1.0
    look_back_seconds: Positive = 30.0
    gang_size: Annotated[int, Field(strict=True, ge=1)] = 1
    loop_seconds: Positive = 2.0

    @property
    def interval_seconds(self) -> float:
        """How often the loop looks."""
        return self.loop_seconds

    @property
    def samples_every_seconds(self) -> float:
        """At each pass: the handles' own counts, fresher than upstream, which pushes them every 10 s."""
        return self.loop_seconds

    @property
    def requests(self) -> tuple[SignalRequest, ...]:
        """Requests held at the handles, and ongoing at the replicas."""
        return IN_FLIGHT

    def step(self, observation: Observation, state: State, now: float) -> Step:
        """Return one pass of the loop; without data it holds."""
        target = observation.spec_replicas
        requests, samples = in_flight(observation), dict(state.memories.get(SAMPLES, {}))
        if requests is not None:
            samples = record(samples, now, requests, self.look_back_seconds)
        total = mean(within(samples, now, self.look_back_seconds))
        if total is None:
            return Step(target, Reason.NO_OPINION, (Stage("policy", target, target, "no data"),), state)
        memory = state.memories.get(NAME, {})
        waiting = Waiting(int(memory.get("direction") or 0), float(memory.get("since") or 0.0))
        desired, after = self._wanted(total, ready_count(observation), target, waiting, now)
        replicas, reason, stage = settle(desired, (self.min_replicas, self.max_replicas))
        if replicas == target and after.direction:
            reason = Reason.STABILIZED
        memory = {"direction": after.direction, "since": after.since}
        trail = (Stage("policy", target, desired, f"{total:g} requests on average"), stage)
        return Step(replicas, reason, trail, remember(remember(state, NAME, memory), SAMPLES, samples))

    def _wanted(self, total: float, running: int, target: int, waiting: Waiting, now: float) -> tuple[int, Waiting]:
        factors = Factors(self.upscaling_factor, self.downscaling_factor)
        if running == 0:
            return cold_start(total, target, factors), waiting
        desired = apply_factors(queue_length(total, self.target_ongoing_requests), running, factors)
        bounds = (self.min_replicas, self.max_replicas)
        desired = max(bounds[0], min(bounds[1], desired))
        delays = Delays(self.upscale_delay_seconds, self.downscale_delay_seconds, self.downscale_to_zero_delay_seconds)
        wanted, waiting = apply_delay(desired, target, delays, waiting, now)
        return round_to_gangs(wanted, self.gang_size, bounds), waiting
