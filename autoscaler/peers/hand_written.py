"""The two scalers that people write themselves: steps by queue depth, and doubling by P99.

They stand for what is found in blogs and runbooks, not for one upstream: thresholds, steps, and no memory but of when
they last acted. As such scripts do, they compare with what they read: what is not there, or NaN, is neither above nor
below anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import model_validator

from autoscaler.engine.decision import Reason, Stage
from autoscaler.engine.observation import GPU_UTILIZATION, QUEUE_DEPTH, SignalRequest
from autoscaler.peers.base import NotNegative, PeerModel, Positive, Replicas, SignalKey, Step, remember, settle
from autoscaler.peers.look import known, requests_of

if TYPE_CHECKING:
    from typing import Self

    from autoscaler.engine.observation import Observation
    from autoscaler.engine.state import State


class QueueSteps(PeerModel):
    """Queue above 20 per replica: two more. Below 5: one less."""

    follows: ClassVar[str] = "no upstream: the loop over queue length that people write themselves"

    max_replicas: Replicas = 10
    above_per_replica: Positive = 20.0
    below_per_replica: NotNegative = 5.0
    add: Replicas = 2
    remove: Replicas = 1
    every_seconds: Positive = 15.0
    cooldown_seconds: NotNegative = 0.0
    """After a change, nothing is done for so long."""

    @property
    def interval_seconds(self) -> float:
        """How often the script runs."""
        return self.every_seconds

    @property
    def requests(self) -> tuple[SignalRequest, ...]:
        """The queue."""
        return (SignalRequest(QUEUE_DEPTH),)

    def step(self, observation: Observation, state: State, now: float) -> Step:
        """Return one run of the script."""
        current, waiting = observation.spec_replicas, known(observation.signals.get(QUEUE_DEPTH))
        if waiting is None:
            return _moved("queueSteps", self, current, current, "the queue is not known", state, now)
        each = waiting / max(current, 1)
        desired = current
        if each > self.above_per_replica:
            desired += self.add
        elif each < self.below_per_replica:
            desired -= self.remove
        return _moved("queueSteps", self, current, desired, f"{each:.3g} waiting per replica", state, now)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.below_per_replica > self.above_per_replica:
            raise ValueError("belowPerReplica must be at most abovePerReplica")
        return self


class LatencyDoubling(PeerModel):
    """P99 above 150 % of the objective: twice as many. Below half of it, with GPUs under 30 %: one less."""

    follows: ClassVar[str] = "no upstream: the loop over P99 that people write themselves"

    max_replicas: Replicas = 10
    signal: SignalKey = "timeToFirstToken:0.99"
    objective_seconds: Positive = 2.0
    above_ratio: Positive = 1.5
    below_ratio: Positive = 0.5
    gpu_below_percent: Positive = 30.0
    every_seconds: Positive = 15.0
    cooldown_seconds: NotNegative = 0.0

    @property
    def interval_seconds(self) -> float:
        """How often the script runs."""
        return self.every_seconds

    @property
    def requests(self) -> tuple[SignalRequest, ...]:
        """The quantile and the GPU."""
        return requests_of((self.signal, GPU_UTILIZATION))

    def step(self, observation: Observation, state: State, now: float) -> Step:
        """Return one run of the script."""
        current = observation.spec_replicas
        latency, gpu = (known(observation.signals.get(key)) for key in (self.signal, GPU_UTILIZATION))
        if latency is None:
            return _moved("latencyDoubling", self, current, current, "the latency is not known", state, now)
        desired, ratio = current, latency / self.objective_seconds
        if ratio > self.above_ratio:
            desired = 2 * max(current, 1)
        elif ratio < self.below_ratio and gpu is not None and gpu < self.gpu_below_percent:
            desired -= 1
        why = f"{latency:.3g} s is {ratio:.2f} of the objective" + ("" if gpu is None else f", GPU at {gpu:.0f} %")
        return _moved("latencyDoubling", self, current, desired, why, state, now)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.below_ratio > self.above_ratio:
            raise ValueError("belowRatio must be at most aboveRatio")
        return self


def _moved(
    name: str,
    script: QueueSteps | LatencyDoubling,
    current: int,
    desired: int,
    why: str,
    state: State,
    now: float,
) -> Step:
    """Return the step, within the bounds and after the cooldown."""
    moved_at = state.memories.get(name, {}).get("moved_at")
    if moved_at is not None and now - float(moved_at) < script.cooldown_seconds:
        return Step(current, Reason.STABILIZED, (Stage("cooldown", desired, current, why),), state)
    replicas, reason, stage = settle(desired, (script.min_replicas, script.max_replicas))
    if replicas != current:
        state = remember(state, name, {"moved_at": now})
    return Step(replicas, reason, (Stage("steps", current, desired, why), stage), state)
