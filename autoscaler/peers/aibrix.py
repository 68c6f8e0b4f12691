"""AIBrix's PodAutoscaler with the APA strategy as a decider.

What the controller does around the formula follows a reading of its source, not a run of it: the metric is the mean of
the stable window over the means of the pods that answered; a pod that is still loading drops out of that mean and
stays in the count, so a slow start compounds. Within the cooldown window, a decrease takes the lowest recommendation,
an increase the highest. At zero with a minimum above, it is off. The KV cache's signal is that of the fullest replica.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from autoscaler.engine.decision import Reason, Stage
from autoscaler.engine.observation import KV_CACHE_UTILIZATION
from autoscaler.peers.aibrix_algorithms import Rates, apa
from autoscaler.peers.base import NotNegative, PeerModel, Positive, Replicas, SignalKey, Step, remember, settle
from autoscaler.peers.look import per_replica_mean, request_of
from autoscaler.peers.samples import mean, record, within

if TYPE_CHECKING:
    from autoscaler.engine.observation import Observation, SignalRequest
    from autoscaler.engine.state import State

SAMPLES, WANTED = "aibrix/samples", "aibrix/wanted"


class Aibrix(PeerModel):
    """A PodAutoscaler with one metric."""

    follows: ClassVar[str] = "vllm-project/aibrix at e3e10f9e4aeb"

    min_replicas: Replicas = 1
    max_replicas: Annotated[int, Field(strict=True, ge=1, le=2**31 - 1)] = 10
    signal: SignalKey = KV_CACHE_UTILIZATION
    target_value: Positive = 50.0
    """Of one pod; upstream has no default, its examples take half of the KV cache."""
    up_tolerance: NotNegative = 0.1
    down_tolerance: NotNegative = 0.1
    max_scale_up_rate: Annotated[float, Field(strict=True, gt=1)] = 2.0
    max_scale_down_rate: Annotated[float, Field(strict=True, gt=1)] = 2.0
    window_seconds: Positive = 180.0
    scale_up_cooldown_seconds: NotNegative = 0.0
    scale_down_cooldown_seconds: NotNegative = 300.0
    loop_seconds: Positive = 10.0

    @property
    def interval_seconds(self) -> float:
        """The controller's resync."""
        return self.loop_seconds

    @property
    def samples_every_seconds(self) -> float:
        """At each resync: the controller asks the pods themselves."""
        return self.loop_seconds

    @property
    def requests(self) -> tuple[SignalRequest, ...]:
        """The metric."""
        return (request_of(self.signal),)

    def step(self, observation: Observation, state: State, now: float) -> Step:
        """Return one resync; without a sample it holds."""
        current = observation.spec_replicas
        if current == 0 and self.min_replicas:
            return Step(0, Reason.OFF, (Stage("apa", 0, 0, "off at zero"),), state)
        signal = observation.signals.get(self.signal)
        sample = None if signal is None else per_replica_mean(signal)
        if sample is None:
            return Step(current, Reason.NO_OPINION, (Stage("apa", current, current, "no data"),), state)
        samples = record(state.memories.get(SAMPLES, {}), now, sample, self.window_seconds)
        use = mean(within(samples, now, self.window_seconds)) or 0.0
        rates = Rates(self.max_scale_up_rate, self.max_scale_down_rate, self.up_tolerance, self.down_tolerance)
        wanted = apa(current, use, self.target_value, rates)
        longest = max(self.scale_up_cooldown_seconds, self.scale_down_cooldown_seconds, 1.0)
        past = record(state.memories.get(WANTED, {}), now, wanted, longest)
        cooled = wanted
        if wanted > current:
            cooled = int(max([wanted, *within(past, now, self.scale_up_cooldown_seconds)]))
        elif wanted < current:
            cooled = int(min([wanted, *within(past, now, self.scale_down_cooldown_seconds)]))
        replicas, reason, bounds = settle(cooled, (self.min_replicas, self.max_replicas))
        trail = (
            Stage("apa", current, wanted, f"{use:.3g} per pod against {self.target_value:g}"),
            Stage("cooldown", wanted, cooled, "the recommendations of the window"),
            bounds,
        )
        return Step(replicas, reason, trail, remember(remember(state, SAMPLES, samples), WANTED, past))
