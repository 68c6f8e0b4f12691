"""AIBrix's PodAutoscaler with the APA or the KPA strategy as a decider.

What the controller does around the formula follows a reading of its source, not a run of it: the metric is the mean of
the stable window over the means of the pods that answered; a pod that is still loading drops out of that mean and
stays in the count, so a slow start compounds. Within the cooldown window, a decrease takes the lowest recommendation,
an increase the highest. At zero with a minimum above, it is off. The KV cache's signal is that of the fullest replica.

KPA is called Knative's and is not: it divides the mean of one pod, not their sum, by the target, so a busy fleet
shrinks to what one pod would need; it panics while the panic window's mean is more than the threshold times the stable
one's; and the highest count of a panic, which Knative keeps, is forgotten (`GetMaxPanicPods` returns 0).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from autoscaler.engine.decision import Reason, Stage
from autoscaler.engine.observation import KV_CACHE_UTILIZATION
from autoscaler.peers.aibrix_algorithms import KpaInput, Rates, apa, kpa
from autoscaler.peers.base import NotNegative, PeerModel, Positive, Replicas, SignalKey, Step, remember, settle
from autoscaler.peers.look import per_replica_mean, request_of
from autoscaler.peers.samples import mean, record, within

if TYPE_CHECKING:
    from autoscaler.engine.observation import Observation, SignalRequest
    from autoscaler.engine.proposal import Memory
    from autoscaler.engine.state import State

SAMPLES, WANTED = "aibrix/samples", "aibrix/wanted"


class Aibrix(PeerModel):
    """A PodAutoscaler with one metric."""

    follows: ClassVar[str] = "vllm-project/aibrix at e3e10f9e4aeb"

    min_replicas: Replicas = 1
    max_replicas: Annotated[int, Field(strict=True, ge=1, le=2**31 - 1)] = 10
    strategy: Literal["APA", "KPA"] = "APA"
    """`spec.scalingStrategy`."""
    signal: SignalKey = KV_CACHE_UTILIZATION
    target_value: Positive = 50.0
    """Of one pod; upstream has no default, its examples take half of the KV cache."""
    up_tolerance: NotNegative = 0.1
    down_tolerance: NotNegative = 0.1
    max_scale_up_rate: Annotated[float, Field(strict=True, gt=1)] = 2.0
    max_scale_down_rate: Annotated[float, Field(strict=True, gt=1)] = 2.0
    window_seconds: Positive = 180.0
    """Of APA, and the stable one of KPA."""
    panic_window_seconds: Positive = 60.0
    """Of KPA."""
    panic_threshold: Positive = 2.0
    """KPA panics while the mean of the panic window is above so many times that of the stable one."""
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
        current, word = observation.spec_replicas, self.strategy.lower()
        if current == 0 and self.min_replicas:
            return Step(0, Reason.OFF, (Stage(word, 0, 0, "off at zero"),), state)
        signal = observation.signals.get(self.signal)
        sample = None if signal is None else per_replica_mean(signal)
        if sample is None:
            return Step(current, Reason.NO_OPINION, (Stage(word, current, current, "no data"),), state)
        samples = record(state.memories.get(SAMPLES, {}), now, sample, self.window_seconds)
        wanted, why = self._wanted(current, samples, now)
        longest = max(self.scale_up_cooldown_seconds, self.scale_down_cooldown_seconds, 1.0)
        past = record(state.memories.get(WANTED, {}), now, wanted, longest)
        cooled = wanted
        if wanted > current:
            cooled = int(max([wanted, *within(past, now, self.scale_up_cooldown_seconds)]))
        elif wanted < current:
            cooled = int(min([wanted, *within(past, now, self.scale_down_cooldown_seconds)]))
        replicas, reason, bounds = settle(cooled, (self.min_replicas, self.max_replicas))
        trail = (
            Stage(word, current, wanted, why),
            Stage("cooldown", wanted, cooled, "the recommendations of the window"),
            bounds,
        )
        return Step(replicas, reason, trail, remember(remember(state, SAMPLES, samples), WANTED, past))

    def _wanted(self, current: int, samples: Memory, now: float) -> tuple[int, str]:
        """Return what the strategy's formula asks for, and of what."""
        rates = Rates(self.max_scale_up_rate, self.max_scale_down_rate, self.up_tolerance, self.down_tolerance)
        use = mean(within(samples, now, self.window_seconds)) or 0.0
        against = f"{use:.3g} per pod against {self.target_value:g}"
        if self.strategy == "APA":
            return apa(current, use, self.target_value, rates), against
        panic = mean(within(samples, now, self.panic_window_seconds)) or 0.0
        panicking = use <= 0 or panic / use > self.panic_threshold
        wanted = kpa(current, use, panic, self.target_value, rates, KpaInput(panicking))
        return wanted, f"{against}, panic window {panic:.3g}{', panic' if panicking else ''}"
