"""A KEDA ScaledObject as a decider: activation every polling interval, over an HPA that looks every 15 s.

A trigger is a Prometheus query here: the signals it sums. With `ignoreNullValues`, upstream's default, an answer
without a series, or with NaN or infinity, is 0: "idle". Both halves run in one call where both are due, activation
first; what it writes, the HPA sees at its next turn.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from autoscaler.engine.behavior import ScalingRules  # noqa: TC001 - pydantic reads the annotation
from autoscaler.engine.decision import Reason, Stage
from autoscaler.engine.observation import QUEUE_DEPTH, Quality
from autoscaler.peers.base import Finite, NotNegative, ParametersModel, PeerModel, Positive, SignalKey, Step, remember
from autoscaler.peers.hpa import Hpa, HpaMetric, MetricType
from autoscaler.peers.hpa_calculator import Invalid, average_value_replicas, value_replicas
from autoscaler.peers.hpa_controller import Failed
from autoscaler.peers.hpa_observed import in_milli, pods_of
from autoscaler.peers.keda_activation import Activation, Past, Triggers, activate
from autoscaler.peers.keda_fallback import Fallback, FallbackBehavior, fallback_metric, falls_back
from autoscaler.peers.look import is_absent, known, live, ready_count, requests_of

if TYPE_CHECKING:
    from typing import Self

    from autoscaler.engine.observation import Observation, SignalRequest
    from autoscaler.engine.proposal import Memory
    from autoscaler.engine.state import State
    from autoscaler.peers.hpa_calculator import Proposed
    from autoscaler.peers.keda_activation import Activated

NAME = "keda"
_EARLY_SECONDS = 1e-6


class Trigger(ParametersModel):
    """One entry of `spec.triggers`: a query, or the utilization of a resource."""

    signals: Annotated[tuple[SignalKey, ...], Field(min_length=1)]
    type: Literal["prometheus", "cpu", "memory"] = "prometheus"
    """A resource is left to the HPA alone: it neither wakes nor keeps awake."""
    threshold: Positive
    """Of the value; percent of the request for a resource."""
    activation_threshold: Finite = 0.0
    """Active while the value is above it."""
    metric_type: Literal["AverageValue", "Value"] = "AverageValue"
    ignore_null_values: bool = True


class FallbackModel(ParametersModel):
    """`spec.fallback`."""

    failure_threshold: Annotated[int, Field(strict=True, ge=0)]
    replicas: Annotated[int, Field(strict=True, ge=0)]
    behavior: FallbackBehavior = FallbackBehavior.STATIC


class Keda(PeerModel):
    """A ScaledObject, and the HPA that KEDA makes of it."""

    follows: ClassVar[str] = "kedacore/keda at 8b4f083ca8c8, over the HPA of kubernetes/kubernetes at 003e86297d18"

    min_replicas: int = Field(default=0, strict=True, ge=0, le=2**31 - 1)
    max_replicas: int = Field(default=100, strict=True, ge=1, le=2**31 - 1)
    idle_replicas: Annotated[int, Field(strict=True, ge=0)] | None = None
    polling_interval_seconds: Positive = 30.0
    cooldown_seconds: NotNegative = 300.0
    initial_cooldown_seconds: NotNegative = 0.0
    triggers: Annotated[tuple[Trigger, ...], Field(min_length=1)] = (Trigger(signals=(QUEUE_DEPTH,), threshold=5.0),)
    """5 is the threshold of upstream's own Prometheus example."""
    fallback: FallbackModel | None = None
    behavior: tuple[ScalingRules, ScalingRules] | None = None
    """`advanced.horizontalPodAutoscalerConfig.behavior`: the (up, down) rules."""
    tolerance: NotNegative = 0.1

    @model_validator(mode="after")
    def _zero_needs_a_query(self) -> Self:
        # pkg/apis webhook: "scaledobject has only cpu/memory triggers AND minReplica is 0 (scale to zero doesn't work)"
        if self.min_replicas == 0 and all(trigger.type != "prometheus" for trigger in self.triggers):
            raise ValueError("minReplicas 0 needs a trigger that is not cpu or memory")
        return self

    @property
    def interval_seconds(self) -> float:
        """The HPA's sync period: the shorter of the two loops."""
        return min(self._hpa.interval_seconds, self.polling_interval_seconds)

    @property
    def requests(self) -> tuple[SignalRequest, ...]:
        """The signals of all triggers."""
        return requests_of(key for trigger in self.triggers for key in trigger.signals)

    @cached_property
    def _hpa(self) -> Hpa:
        return Hpa(
            min_replicas=max(1, self.min_replicas),
            max_replicas=self.max_replicas,
            metrics=tuple(map(_metric, self.triggers)),
            behavior=self.behavior,
            tolerance=self.tolerance,
        )

    @cached_property
    def _activation(self) -> Activation:
        return Activation(
            self.min_replicas,
            self.idle_replicas,
            self.cooldown_seconds,
            self.initial_cooldown_seconds,
            self.fallback.replicas if self.fallback else 0,
            self.fallback is not None,
        )

    def step(self, observation: Observation, state: State, now: float) -> Step:
        """Return one poll if it is due, and else, or if that changed nothing, one reconcile of the HPA."""
        memory, current = dict(state.memories.get(NAME, {})), observation.spec_replicas
        memory.setdefault("created_at", now)
        polled_at = memory.get("polled_at")
        values = [self._value(trigger, observation) for trigger in self.triggers]
        stages: tuple[Stage, ...] = ()
        if polled_at is None or now - float(polled_at) >= self.polling_interval_seconds - _EARLY_SECONDS:
            polled = self._poll(values, current, memory, now)
            memory |= {"polled_at": now, "last_active_at": polled.last_active_at}
            stages = (Stage("activation", current, polled.replicas, polled.why),)
            if polled.replicas != current:
                reason = Reason.WAKE if polled.replicas > current else Reason.IDLE
                return Step(polled.replicas, reason, stages, remember(state, NAME, memory))
        if self._hpa.min_replicas <= current <= self.max_replicas:
            memory |= _failures(values, memory)
        results = [
            self._hpa.propose(self._hpa.metrics[place], observation, now)
            if trigger.type != "prometheus"
            else self._result(place, trigger, value, observation, memory)
            for place, (trigger, value) in enumerate(zip(self.triggers, values, strict=True))
        ]
        names = [metric.name for metric in self._hpa.metrics]
        step = self._hpa.reconciled(names, results, observation, remember(state, NAME, memory), now)
        return step._replace(trail=(*stages, *step.trail))

    def _poll(self, values: list[float | None], current: int, memory: Memory, now: float) -> Activated:
        asked = [(t, v) for t, v in zip(self.triggers, values, strict=True) if t.type == "prometheus"]
        active = any(value is not None and value > trigger.activation_threshold for trigger, value in asked)
        failed = any(value is None for _, value in asked)
        created_at, last_active_at = memory.get("created_at"), memory.get("last_active_at")
        past = Past(float(created_at or 0.0), None if last_active_at is None else float(last_active_at))
        return activate(self._activation, current, Triggers(active, failed), past, now)

    def _value(self, trigger: Trigger, observation: Observation) -> float | None:
        """Return what the query answers; None for an error."""
        signals = [observation.signals.get(key) for key in trigger.signals]
        if any(signal is None or signal.quality is Quality.ERROR for signal in signals):
            return None
        values = [value for value in map(known, signals) if value is not None]
        if values:
            return max(sum(values), 0.0)
        nothing = all(is_absent(s) or (s is not None and s.quality is Quality.NAN) for s in signals)
        return 0.0 if nothing and trigger.ignore_null_values else None

    def _result(
        self, place: int, trigger: Trigger, value: float | None, observation: Observation, memory: Memory
    ) -> Proposed | Failed:
        current, ready = observation.spec_replicas, ready_count(observation)
        failures = int(memory.get(f"failures {place}") or 0)
        if value is None and self.fallback is not None:
            fallback = Fallback(self.fallback.failure_threshold, self.fallback.replicas, self.fallback.behavior)
            if falls_back(fallback, failures):
                of_value = ready if trigger.metric_type == "Value" else None
                value = fallback_metric(fallback, current, trigger.threshold, of_value)
        if value is None:
            return Failed("FailedGetExternalMetric", f"the trigger failed, {failures} times in a row")
        milli, target, tolerances = round(value * 1000), in_milli(trigger.threshold), self._hpa.tolerances()
        if trigger.metric_type == "AverageValue":
            return average_value_replicas(len(live(observation)), milli, target, tolerances)
        result = value_replicas(current, milli, target, pods_of(observation), tolerances)
        return Failed("FailedGetExternalMetric", result.message) if isinstance(result, Invalid) else result


def _metric(trigger: Trigger) -> HpaMetric:
    """Return the entry of the HPA that KEDA makes of a trigger."""
    signals, threshold = trigger.signals, trigger.threshold
    if trigger.type != "prometheus":
        percent = max(1, int(threshold))
        return HpaMetric(type=MetricType.RESOURCE, signals=signals, average_utilization=percent, resource=trigger.type)
    if trigger.metric_type == "Value":
        return HpaMetric(type=MetricType.EXTERNAL, signals=signals, value=threshold)
    return HpaMetric(type=MetricType.EXTERNAL, signals=signals, average_value=threshold)


def _failures(values: list[float | None], memory: Memory) -> dict[str, int]:
    """Return how often each trigger has failed in a row, this time included."""
    return {
        f"failures {place}": 0 if value is not None else int(memory.get(f"failures {place}") or 0) + 1
        for place, value in enumerate(values)
    }
